import { fenceKeyOf, queueKeyOf, sharersKeyOf } from '../../src/quorum/fencing-token.ts';
import { encodeAll, inSendingOrder } from '../../src/wire/batch.ts';
import { type LockKeys, type Operation, UNTIMED } from '../../src/wire/operation.ts';
import { batchScript, markerScript, type Script } from '../../src/wire/scripts.ts';
import {
  ALL_KEYS,
  MARKER_KEY,
  type MarkerText,
  type Moment,
  type OperationStep,
  SLOT_KEYS,
  SLOTS_QUEUE,
  SORTED_SET_KEYS,
  type Step,
} from './steps.ts';
import { type Answer, type Command, foreignCommand, ModelSubject } from './subject.ts';

const OTHER_RUN_ID = 'abcdef0123456789'.repeat(3).slice(0, 40);

/** What was asked and answered, step by step. */
interface Exchange {
  readonly step: Step | 'before' | 'after';
  readonly commands: readonly Command[];
  readonly answers: readonly Answer[];
}

/** Exchanges at one and the same moment. */
export interface Stretch {
  /** Milliseconds that pass before it. */
  readonly passMs: number;
  readonly exchanges: readonly Exchange[];
}

/** Does the steps on a simulated server. Returns what a real one is to be asked, and has to answer. */
export function runOnModel(steps: readonly Step[], runId: string, timeUs: number): readonly Stretch[] {
  const model = new ModelSubject(runId, timeUs);
  const ask = (step: Exchange['step'], commands: readonly Command[]): Exchange => ({
    step,
    commands,
    answers: commands.map((command) => model.run(command)),
  });
  const look = ALL_KEYS.flatMap((key): Command[] => [
    ['TYPE', key],
    ['PTTL', key],
    SORTED_SET_KEYS.includes(key) ? ['ZRANGE', key, '0', '-1', 'WITHSCORES'] : ['GET', key],
  ]);
  const scripts = [batchScript, markerScript];
  const load = scripts.map(({ source }): Command => ['SCRIPT', 'LOAD', source]);
  const reset: readonly Command[] = [...refusing('nothing'), ['FLUSHALL'], ['UNSUBSCRIBE'], ...load];
  let stretch = { passMs: 0, exchanges: [ask('before', reset)] };
  const stretches = [stretch];
  for (const step of steps) {
    if (step.do === 'pass') {
      // What expires on a replica stays there, and with Redis 6.2 its scripts still see it. Nothing depends on that.
      if (model.server.role === 'slave') continue;
      // A server drops expired keys when it is asked for them or gets round to it. Once the clock is back, it would
      // be chance which of them are there again.
      if (step.ms < 0) stretch.exchanges.push(ask(step, look));
      model.pass(step.ms);
      if (stretch.exchanges.length > 0) {
        stretch = { passMs: 0, exchanges: [] };
        stretches.push(stretch);
      }
      stretch.passMs += step.ms;
    } else {
      // As above: before it is a replica, it gets to drop what has expired.
      if (step.do === 'refuse') stretch.exchanges.push(ask(step, look));
      stretch.exchanges.push(ask(step, commandsFor(step, model)));
    }
  }
  stretch.exchanges.push(ask('after', [...look, ['MESSAGES']]));
  return stretches;
}

function commandsFor(step: Exclude<Step, { readonly do: 'pass' }>, model: ModelSubject): readonly Command[] {
  const { server } = model;
  switch (step.do) {
    case 'call': {
      const { deadlineUs, nodeCount, maxTtl, clampUs, retention, grace, block } = step;
      const operations = step.operations.map((operation) => operationFor(operation, model));
      const deadline = operations.some(({ kind }) => !UNTIMED.has(kind)) ? server.timeUs + deadlineUs : '';
      const marker = nodeCount === '' || deadline === '' ? [] : [MARKER_KEY];
      const quorum = [nodeCount, maxTtl, clampUs, retention, grace, block].join(' ');
      const carriers = operations.map((operation) => ({ operation }));
      const start = { keys: marker, args: [quorum, deadline] };
      const { keys, args } = encodeAll(inSendingOrder(carriers), true, start);
      return [callOf(step.by, batchScript, keys, args)];
    }
    case 'mark': {
      const seenRunId = step.seenRunId === 'own' ? server.runId : OTHER_RUN_ID;
      const seenMarker = step.seenMarker === 'own' ? markerOf(model) : 'another marker';
      const next = step.next === '' ? '' : textOf(step.next, server.runId);
      const args = [next, seenRunId, seenMarker, server.timeUs + step.deadlineUs];
      return [callOf('EVALSHA', markerScript, [MARKER_KEY], args)];
    }
    case 'set marker':
      return [set(MARKER_KEY, textOf(step.text, server.runId), step.ttl)];
    case 'set lock':
      return [set(step.key, step.value, step.ttl)];
    case 'set counter': {
      const { counter, key } = step;
      const text = typeof counter === 'string' ? counter : String(numberFor(counter, [key], model));
      return [set(fenceKeyOf(key), text, 3_600_000)];
    }
    case 'set foreign':
      return [['DEL', step.key], foreignCommand(step.type, step.key)];
    case 'delete':
      return [['DEL', step.key]];
    case 'fill queue': {
      const names = [...Array.from({ length: step.deaf }, (_, index) => `deaf.${index}`), step.last];
      return [['ZADD', step.key, ...names.flatMap((name) => [String(step.score), name])]];
    }
    case 'share': {
      const expires = Math.floor(server.timeUs / 1_000) + step.forMs;
      return [['ZADD', sharersKeyOf(step.key), String(expires), step.by]];
    }
    case 'called':
      return [['ZADD', sharersKeyOf(step.key), String(step.agoMs - Math.floor(server.timeUs / 1_000)), '~']];
    case 'subscribe':
      return [['SUBSCRIBE', channelOf(step.process)]];
    case 'unsubscribe':
      return [['UNSUBSCRIBE', channelOf(step.process)]];
    case 'refuse':
      return refusing(step.what);
    case 'flush memory':
      return [['FLUSHALL']];
    case 'flush scripts':
      return [['SCRIPT', 'FLUSH']];
  }
}

function channelOf(process: string): string {
  return `quorlock:wake:${process}`;
}

function refusing(what: (Step & { readonly do: 'refuse' })['what']): readonly Command[] {
  const maxmemory = what === 'for want of memory' ? '1' : '0';
  const master = what === 'as a replica' ? ['127.0.0.1', '1'] : ['NO', 'ONE'];
  return [
    ['REPLICAOF', ...master],
    ['CONFIG', 'SET', 'maxmemory', maxmemory],
  ];
}

function operationFor(step: OperationStep, model: ModelSubject): Operation {
  const { kind, value, ttl, member } = step;
  const isAboutOne = kind === 'inspect' || kind === 'waiting';
  const keys = isAboutOne ? step.keys.slice(0, 1) : step.keys;
  const isFenced = step.fenced || kind === 'confirm' || kind === 'confirm-share';
  const lock = { keys, fences: isFenced ? keys.map(fenceKeyOf) : [], queues: keys.map(queueKeyOf) };
  const shared = sharedBy(lock, sharersKeyOf(keys[0] ?? ''));
  const slot = slotFor(step);
  const number = numberFor(step.number, keys, model);
  const waiter = { member, since: numberFor(step.since, keys, model) };
  switch (kind) {
    case 'acquire':
      return { ...lock, kind, value, ttl, proposal: number };
    case 'contend':
      return {
        ...lock,
        kind: 'acquire',
        value,
        ttl,
        proposal: number,
        waiter: member === '' ? undefined : waiter,
      };
    case 'permit':
    case 'share': {
      const target = kind === 'share' ? shared : slot;
      const previous = kind === 'permit' || step.previous === '' ? undefined : step.previous;
      const awaiting = { waiter: member === '' ? undefined : waiter, previous };
      return { ...target, kind: 'acquire', value, ttl, proposal: number, ...awaiting };
    }
    case 'confirm':
      return { ...lock, kind, value, token: number };
    case 'confirm-share':
      return { ...shared, kind: 'confirm', value, token: number };
    case 'extend':
      return { ...lock, kind, value, ttl, token: number };
    case 'extend-share':
      return { ...shared, kind: 'extend', value, ttl, token: number };
    case 'adopt':
      return { ...lock, kind: 'extend', value, ttl, token: number, previous: step.previous };
    case 'adopt-share':
      return { ...shared, kind: 'extend', value, ttl, token: number, previous: step.previous };
    case 'release':
      return { ...lock, kind, value };
    case 'release-share':
      return { ...shared, kind: 'release', value };
    case 'enter':
      return { ...lock, kind, waiter };
    case 'leave':
      return { ...lock, kind, member, isHung: step.fenced };
    case 'leave-permit':
      return { ...slot, kind: 'leave', member };
    case 'inspect-permit':
      return { ...slot, kind: 'inspect' };
    case 'inspect':
    case 'waiting':
      return { ...lock, kind };
  }
}

/** A lock that is shared is one of a single key. */
function sharedBy({ keys, fences, queues }: LockKeys, sharers: string): LockKeys {
  return { keys: keys.slice(0, 1), fences: fences.slice(0, 1), queues: queues.slice(0, 1), sharers };
}

function slotFor({ slot, permits, fenced }: OperationStep): LockKeys {
  const keys = SLOT_KEYS.slice(slot, slot + 1);
  const fences = fenced ? keys.map(fenceKeyOf) : [];
  return { keys, fences, queues: [SLOTS_QUEUE], permit: { slot, of: permits } };
}

function numberFor({ from, offset }: Moment, keys: readonly string[], { server }: ModelSubject): number {
  if (from === 'zero') return offset;
  if (from === 'time') return server.timeUs + offset;
  const counters = keys.map((key) => {
    const fence = fenceKeyOf(key);
    return server.store.typeOf(fence) === 'string' ? Number(server.store.get(fence)) : 0;
  });
  return Math.max(0, ...counters.map((counter) => (Number.isNaN(counter) ? 0 : counter))) + offset;
}

function markerOf({ server }: ModelSubject): string {
  const type = server.store.typeOf(MARKER_KEY);
  return type === 'string' || type === 'none' ? (server.store.get(MARKER_KEY) ?? '') : 'not a string';
}

function textOf({ state, runId, rest }: MarkerText, own: string): string {
  const named = { own, other: OTHER_RUN_ID, shortened: own.slice(0, 7) };
  return `${state} ${named[runId]} ${rest}`;
}

function set(key: string, value: string, ttl: number | undefined): Command {
  return ttl === undefined ? ['SET', key, value] : ['SET', key, value, 'PX', String(ttl)];
}

function callOf(
  by: 'EVALSHA' | 'EVAL',
  { source, sha1 }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Command {
  return [by, by === 'EVAL' ? source : sha1, String(keys.length), ...keys, ...args.map(String)];
}
