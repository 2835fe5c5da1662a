/*
 * A node that restarted has forgotten locks, and looks like any other. The naive answer is to read its uptime. But
 * uptime is wall clock, and says nothing of FLUSHALL. So every node keeps a marker that names its server process. A
 * node whose marker is missing or of another process does not vote until all it may have forgotten has expired.
 */

import { messageOf } from '../base/describe.ts';
import { nodeChanged } from '../base/diagnostics.ts';
import { currentMarker, type Handshake, isFresh, isOlder, type Marker, parseMarker } from '../node/marker.ts';
import type { MembershipListener, Node } from '../node/node.ts';
import type { Divergence } from '../node/node-time.ts';
import { claimAll, type Fresh } from './claim.ts';
import { foreignObstacle, namelessObstacle, replicaObstacle, twinObstacle, twinOf } from './eligibility.ts';
import { Grace } from './grace.ts';
import {
  isBeingStarted,
  isUndecided,
  joiningNonce,
  type Member,
  newMember,
  noteClaim,
  noteOwnClaim,
  noteTtl,
} from './member.ts';
import { type NodeChange, NodeStates } from './node-states.ts';
import { type NodeStatus, statusOf } from './node-status.ts';
import { NodeWarnings } from './node-warnings.ts';
import { type MembershipSettings, quarantineMs, reasonToAskAll, reasonToWait } from './quarantine.ts';

/** The client writes a marker within this time of the handshake that it depends on, or not at all. */
const WRITE_WINDOW_MS = 500;

const TOO_FAR =
  `its marker could not be written within ${WRITE_WINDOW_MS} ms of a look at it: the network or the node is too slow, or it is ` +
  'too far away. It does not vote without one. Run the program nearer to it, or take another node';

const NO_MARKER = 'it has no valid marker: it is new here, restarted or was emptied';

/** How often initialize() tries to be the last to write a node's marker. */
const INITIALIZE_TRIES = 5;

/** Pause between two looks at a node that does not vote. */
const WATCH_MS = 500;

/** Pause before something that failed is tried again. */
const TRY_AGAIN_MS = 250;

/** Pause between two looks at a deployment that another client is starting. */
const CLAIM_WATCH_MS = 50;

/** A client that only watches a node join gives the one that began it this much of a lead, at the most. */
const LONGEST_COURTESY_MS = 500;

/**
 * Decides which nodes may vote. By its marker a node is *active*, *joining*, *stale* (of an earlier process) or
 * *blank*. Active ones vote. A stale node, and a blank one among others that are not, gets a joining marker. A client
 * that has watched this marker unchanged for a whole quarantine makes the node active. If a survey finds all nodes
 * blank, the deployment is new. The client *claims* it, and makes all of it active if the claims hold. Every write
 * depends on the server process and the marker that the client saw just before.
 */
export class Membership implements MembershipListener {
  readonly #settings: MembershipSettings;
  #members: readonly Member[] = [];
  #isSurveying = false;
  #isSurveyWanted = false;
  readonly #grace: Grace;
  readonly #states: NodeStates;
  readonly #warnings: NodeWarnings;
  #closed = false;

  constructor(settings: MembershipSettings) {
    this.#settings = settings;
    this.#states = new NodeStates(settings.clock, (change) => this.#nodeChanged(change));
    this.#warnings = new NodeWarnings({ ...settings, upCount: () => this.#states.upCount });
    this.#grace = new Grace(settings.clock, () => void this.#survey());
  }

  /** Takes the nodes of the quorum, before any of them has had its handshake. */
  register(nodes: readonly Node[]): void {
    this.#members = nodes.map(newMember);
    for (const member of this.#members) {
      this.#states.follow(member.node);
      member.node.onStateChange(() => {
        if (!member.node.isDown) return;
        member.handshake = undefined;
        member.timer?.cancel();
        void this.#survey();
      });
    }
  }

  /** The longest ttl of this program and of all markers. */
  get #longestTtl(): number {
    return Math.max(this.#settings.maxTtl, ...this.#members.map(({ longestTtl }) => longestTtl));
  }

  greeted(node: Node, handshake: Handshake): void {
    const member = this.#members.find((candidate) => candidate.node === node);
    if (member !== undefined) this.#decide(member, handshake);
    // Others may have been waiting to see this one.
    void this.#survey();
  }

  /** A clock that went ahead may have ended keys early. One that went back keeps them for longer: no danger. */
  clockDiverged(node: Node, divergence: Divergence): void {
    const { driftFactor, leapt } = this.#settings;
    if (divergence.byMs > 0) {
      // Other programs' keys with longer ttls may have expired too early as well.
      node.distrustClock(this.#longestTtl * (1 + driftFactor));
      const place = this.#members.findIndex((member) => member.node === node);
      leapt(place, divergence.mostAheadMs);
    }
    this.#warnings.clockDiverged(node.address, divergence, this.#longestTtl);
  }

  tooSlow(node: Node): void {
    this.#warnings.tooSlow(node.address);
  }

  /** Every change of a node's state passes here. */
  #nodeChanged(change: NodeChange): void {
    if (nodeChanged.hasSubscribers) nodeChanged.publish({ ...change, why: change.why() });
    this.#warnings.nodeChanged(change);
  }

  /**
   * Asks every node that votes what it is: an idle client does not notice that a server hangs, or was emptied. Each
   * of the promises resolves when the node's state is as new as can be.
   */
  askAll(): readonly Promise<void>[] {
    return this.#members.map((member) => this.#ask(member));
  }

  async #ask(member: Member): Promise<void> {
    const { node } = member;
    if (!node.isVoting) return;
    try {
      const handshake = await node.handshake();
      if (this.#isMarked(member) && currentMarker(handshake)?.state !== 'active') await node.introduceAnew();
      else if (node.isVoting) this.#decide(member, handshake);
    } catch {
      // Its state tells.
    }
  }

  status(): readonly NodeStatus[] {
    return this.#members.map((member) => {
      const untilMs = this.#quarantinedUntilMs(member);
      return statusOf(member, this.#states.of(member.node), untilMs, this.#settings.clock);
    });
  }

  /** When this client ends a node's quarantine, on the monotonic clock; undefined: it is in none. */
  #quarantinedUntilMs({ joining }: Member): number | undefined {
    return joining && joining.sinceMs + quarantineMs(this.#longestTtl, this.#settings.driftFactor);
  }

  /**
   * Declares that no lock is held, and has all nodes vote at once. Returns the nodes where that did not work, and
   * why.
   */
  async initialize(): Promise<readonly { readonly node: string; readonly why: string }[]> {
    const outcomes = this.#members.map(async (member) => {
      const why = await this.#initialize(member).catch(messageOf);
      return why === undefined ? [] : { node: member.node.address, why };
    });
    return (await Promise.all(outcomes)).flat();
  }

  /** This client's own quarantine may be writing a marker at the same time; the declaration comes after it. */
  async #initialize(member: Member): Promise<string | undefined> {
    if (!this.#isMarked(member)) return undefined;
    let handshake = await member.node.handshake();
    for (let tries = 0; tries < INITIALIZE_TRIES; tries += 1) {
      const obstacle = this.#obstacleOf(member, handshake);
      if (obstacle !== undefined) return obstacle;
      const marker = { ...this.#marker('active', handshake), maxTtl: this.#settings.maxTtl };
      handshake = await this.#writeMarker(member, handshake, marker);
      if (!handshake.written) continue;
      noteTtl(member, handshake);
      member.timer?.cancel();
      member.handshake = handshake;
      this.#admit(member);
      return undefined;
    }
    return 'another program is changing it; try again';
  }

  close(): void {
    this.#closed = true;
    this.#states.close();
    this.#warnings.close();
    this.#grace.close();
    for (const { timer } of this.#members) timer?.cancel();
  }

  #decide(member: Member, handshake: Handshake): void {
    if (this.#closed || isOlder(handshake, member.handshake)) return;
    member.timer?.cancel();
    member.handshake = handshake;
    const marker = currentMarker(handshake);
    const nonce = joiningNonce(handshake);
    if (nonce === undefined || nonce !== member.joining?.nonce) member.joining = undefined;
    noteClaim(member, handshake);
    noteTtl(member, handshake);
    if (!member.node.isCluster) this.#warnings.greeted(member.node.address, handshake);
    const obstacle =
      this.#obstacleOf(member, handshake) ??
      (this.#isMarked(member) ? foreignObstacle(marker, this.#settings.nodeCount) : undefined);
    if (obstacle !== undefined) {
      // The other address may be the one that leads elsewhere by now.
      twinOf(handshake, this.#countedBeside(member))?.node.doubt();
      this.#refuse(member, obstacle, handshake);
    } else if (!this.#isMarked(member)) this.#admit(member);
    else if (marker !== undefined && nonce !== undefined)
      this.#withOurTtl(member, handshake, marker, () => this.#watch(member, nonce, false));
    else if (marker?.state === 'active')
      this.#withOurTtl(member, handshake, marker, () => this.#admit(member));
    else if (isFresh(handshake) && this.#settings.quarantine === 'auto') void this.#survey();
    else this.#join(member, handshake);
  }

  /**
   * Raises the ttl of the marker to this program's, before anything else. The node may forget this program's locks
   * later on. If it is joining, it has forgotten them already. The nonce stays: it is the same memory.
   */
  #withOurTtl(member: Member, handshake: Handshake, marker: Marker, then: () => void): void {
    const { maxTtl } = this.#settings;
    if (marker.maxTtl >= maxTtl) then();
    else void this.#replaceMarker(member, handshake, { ...marker, maxTtl }, then);
  }

  #admit(member: Member): void {
    member.joining = undefined;
    member.node.admit();
  }

  /** The obstacle may go away without a new connection. */
  #refuse(member: Member, obstacle: string, handshake: Handshake): void {
    member.node.refuse(obstacle, handshake.runId === '' ? 'error' : 'refused');
    this.#handshakeAgain(member, WATCH_MS);
  }

  /** The reason why a node can't be part of any quorum with the others. */
  #obstacleOf(member: Member, handshake: Handshake): string | undefined {
    if (member.node.isCluster) return undefined;
    const others = this.#countedBeside(member);
    const nameless = this.#isMarked(member) ? namelessObstacle(handshake) : undefined;
    return replicaObstacle(handshake) ?? nameless ?? twinObstacle(handshake, others);
  }

  #countedBeside(member: Member): readonly Member[] {
    return this.#members.filter((other) => other !== member && other.node.isCounted);
  }

  /** Surveys all nodes now, or once more after the present survey: that one may have looked too early. */
  async #survey(): Promise<void> {
    this.#isSurveyWanted = true;
    if (this.#isSurveying) return;
    this.#isSurveying = true;
    try {
      while (this.#isSurveyWanted) {
        this.#isSurveyWanted = false;
        await this.#surveyAll();
      }
    } finally {
      this.#isSurveying = false;
    }
  }

  /** Looks at all nodes at once to tell a new deployment from nodes that lost their memory. */
  async #surveyAll(): Promise<void> {
    if (this.#closed || this.#settings.quarantine !== 'auto') return;
    if (!this.#members.some(isUndecided)) return;
    // A node that is being connected to tells soon; then there is another survey.
    const tellsSoon = ({ node, handshake }: Member) =>
      node.isExpected && (handshake === undefined || node.isRefused);
    if (this.#members.some(tellsSoon)) return;
    const ask = ({ node }: Member) => node.handshake().catch(() => undefined);
    const handshakes = await Promise.all(this.#members.map(ask));
    if (!this.#closed) await this.#judge(handshakes);
  }

  async #judge(handshakes: readonly (Handshake | undefined)[]): Promise<void> {
    const fresh: Fresh<Member>[] = [];
    const silent: string[] = [];
    this.#members.forEach((member, index) => {
      const handshake = handshakes[index];
      if (handshake === undefined) {
        silent.push(member.node.address);
        // One that only hangs keeps its connection, and nothing else would have it looked at again.
        if (isUndecided(member)) this.#handshakeAgain(member, TRY_AGAIN_MS);
      } else if (!isFresh(handshake) || !this.#isMarked(member) || handshake.runId === '')
        this.#decide(member, handshake);
      else fresh.push({ member, handshake });
    });
    for (const { member, handshake } of fresh) noteClaim(member, handshake);
    const someRemember = handshakes.some((handshake) => handshake !== undefined && !isFresh(handshake));
    if (!someRemember && silent.length === 0) {
      await this.#start(fresh);
    } else if (someRemember || !this.#grace.isLeft()) {
      for (const { member, handshake } of fresh) {
        if (isBeingStarted(member, this.#settings.clock.uptime()))
          this.#handshakeAgain(member, CLAIM_WATCH_MS);
        else this.#join(member, handshake);
      }
    } else {
      for (const { member } of fresh) member.node.quarantine(reasonToAskAll(silent));
    }
  }

  /** Makes all nodes of a new deployment active, unless another client is doing so. */
  async #start(all: readonly Fresh<Member>[]): Promise<void> {
    const fresh: Fresh<Member>[] = [];
    for (const one of all) {
      const twins = fresh.map(({ member: { node }, handshake }) => ({ node, handshake }));
      const obstacle = this.#obstacleOf(one.member, one.handshake) ?? twinObstacle(one.handshake, twins);
      if (obstacle === undefined) fresh.push(one);
      else this.#refuse(one.member, obstacle, one.handshake);
    }
    const { clock, random } = this.#settings;
    if (fresh.some(({ member }) => isBeingStarted(member, clock.uptime()))) {
      for (const { member } of fresh) this.#handshakeAgain(member, CLAIM_WATCH_MS);
      return;
    }
    const claim = async ({ member, handshake }: Fresh<Member>) => {
      const after = await this.#writeMarker(member, handshake, this.#marker('starting', handshake));
      if (after.written) noteOwnClaim(member, after);
      return after;
    };
    try {
      const claimed = await claimAll(fresh, claim, ({ node }) => node.handshake());
      if (claimed !== undefined)
        await Promise.all(claimed.map(({ member, handshake }) => this.#activate(member, handshake)));
      else for (const { member } of fresh) this.#handshakeAgain(member, random.fraction() * CLAIM_WATCH_MS);
    } catch (error) {
      for (const { member } of fresh) this.#couldNotWrite(member, error);
    }
  }

  #couldNotWrite(member: Member, error: unknown): void {
    member.node.quarantine(`its marker could not be written: ${messageOf(error)}`);
    this.#handshakeAgain(member, TRY_AGAIN_MS);
  }

  /** Makes a node active if it is still as it was seen, and that is not long ago. */
  #activate(member: Member, seen: Handshake): Promise<void> {
    return this.#replaceMarker(member, seen, this.#marker('active', seen), () => this.#admit(member));
  }

  /** Writes the marker from which a node's quarantine counts. */
  #join(member: Member, seen: Handshake): void {
    member.node.quarantine(member.isFar ? TOO_FAR : NO_MARKER);
    if (this.#longestTtl > this.#settings.maxTtl) void this.#joinUnlessTakenBack(member);
    else this.#writeJoining(member, seen);
  }

  #writeJoining(member: Member, seen: Handshake): void {
    const marker = this.#marker('joining', seen);
    void this.#replaceMarker(member, seen, marker, () => this.#watch(member, marker.nonce, true));
  }

  /** initialize() of another program may have taken back the long ttl for which the node would wait. */
  async #joinUnlessTakenBack(member: Member): Promise<void> {
    const others = this.#members.filter((other) => other !== member);
    const areAllRead = await this.#readTtls(others);
    try {
      const handshake = await member.node.handshake();
      // A lock with such a ttl needs a majority that knows of it: all others would not have forgotten it.
      if (others.length > 0 && areAllRead) member.longestTtl = 0;
      noteTtl(member, handshake);
      if (this.#closed) return;
      const { state = 'starting' } = currentMarker(handshake) ?? {};
      if (state === 'starting') this.#writeJoining(member, handshake);
      else this.#decide(member, handshake);
    } catch {
      this.#handshakeAgain(member, TRY_AGAIN_MS);
    }
  }

  /** Waits, by this client's clock, until the locks that the node may have forgotten are over; then makes it active. */
  #watch(member: Member, nonce: string, isOurs: boolean): void {
    const { clock, random, driftFactor } = this.#settings;
    const known = member.joining?.nonce === nonce ? member.joining : undefined;
    // A clock that jumps ahead, as the host's uptime may, would end it too early.
    const nowMs = clock.monotonic();
    const joining = known ?? { nonce, sinceMs: nowMs, isOurs };
    member.joining = joining;
    const untilMs = joining.sinceMs + quarantineMs(this.#longestTtl, driftFactor);
    const leftMs = untilMs - nowMs;
    if (leftMs <= 0) return void this.#endQuarantine(member);
    member.node.quarantine(() => reasonToWait(untilMs - clock.monotonic(), clock.wall()));
    const courtesyMs = joining.isOurs ? 0 : random.fraction() * LONGEST_COURTESY_MS;
    // A node that forgets once more meanwhile has to begin again, the sooner the better.
    this.#handshakeAgain(member, Math.min(leftMs + courtesyMs, WATCH_MS));
  }

  /** A program with longer ttls may have come meanwhile; the markers of the other nodes tell. */
  async #endQuarantine(member: Member): Promise<void> {
    // Meanwhile the node may forget again, and this client may begin to watch another marker.
    const waitedFor = member.joining;
    const waitedForTtl = this.#longestTtl;
    await this.#readTtls();
    try {
      const handshake = await member.node.handshake();
      noteTtl(member, handshake);
      const nonce = joiningNonce(handshake);
      const isUnchanged = nonce !== undefined && nonce === waitedFor?.nonce;
      const isOver = isUnchanged && this.#longestTtl <= waitedForTtl;
      if (!isOver || this.#closed) this.#decide(member, handshake);
      else await this.#activate(member, handshake);
    } catch {
      this.#handshakeAgain(member, TRY_AGAIN_MS);
    }
  }

  /** Reads the ttls of the markers. Returns whether all of them could be read. */
  async #readTtls(members: readonly Member[] = this.#members): Promise<boolean> {
    const reads = members.map(async (member) => noteTtl(member, await member.node.handshake()));
    return (await Promise.allSettled(reads)).every(({ status }) => status === 'fulfilled');
  }

  /** Replaces the marker that was seen; if it is another one by now, decides anew. Never rejects. */
  async #replaceMarker(member: Member, seen: Handshake, marker: Marker, done: () => void): Promise<void> {
    try {
      const after = await this.#writeMarker(member, seen, marker);
      if (this.#closed) return;
      if (!after.written) return this.#decide(member, after);
      member.timer?.cancel();
      member.handshake = after;
      done();
    } catch (error) {
      this.#couldNotWrite(member, error);
    }
  }

  async #writeMarker(member: Member, seen: Handshake, marker: Marker): Promise<Handshake> {
    const deadlineUs = seen.timeUs + WRITE_WINDOW_MS * 1_000;
    const after = await member.node.handshake({ seen, marker, deadlineUs });
    member.isFar = !after.written && after.timeUs > deadlineUs;
    if (member.isFar) member.node.quarantine(TOO_FAR);
    const beforeTtl = parseMarker(seen.marker)?.maxTtl ?? marker.maxTtl;
    const { maxTtl } = this.#settings;
    if (after.written && beforeTtl < maxTtl && marker.maxTtl === maxTtl) this.#warnings.raised(beforeTtl);
    return after;
  }

  /** Looks later and decides anew. A node that is down by then is looked at when it is back. */
  #handshakeAgain(member: Member, delayMs: number): void {
    member.timer?.cancel();
    if (this.#closed) return;
    const look = () => {
      if (member.node.isDown) return;
      member.node.handshake().then(
        (handshake) => this.#decide(member, handshake),
        () => this.#handshakeAgain(member, TRY_AGAIN_MS),
      );
    };
    member.timer = this.#settings.clock.after(delayMs, look, { keepAlive: false });
  }

  #marker(state: Marker['state'], handshake: Handshake): Marker {
    const { nodeCount, random } = this.#settings;
    return { state, runId: handshake.runId, nonce: random.identifier(), nodeCount, maxTtl: this.#longestTtl };
  }

  #isMarked(member: Member): boolean {
    return this.#settings.quarantine !== 'off' && !member.node.isCluster;
  }
}
