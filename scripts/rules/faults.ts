import type { Change } from './change.ts';

/** What went wrong in this project, and what brings it back. */
const OWN: readonly Change[] = [
  {
    name: 'one answer that got lost on a living connection held its node up for good',
    code: [['node/batcher.ts', 'for (const lost of this.#overdue) this.#lose(lost);', '']],
  },
  {
    name: 'a release whose answer got lost was never sent again',
    code: [
      [
        'node/batcher.ts',
        "for (const { operation } of call.entries) this.#answers.undone(operation, 'lost');",
        '',
      ],
    ],
  },
  {
    name: 'a release that a node had refused was not asked for again',
    code: [
      [
        'node/node.ts',
        "if (isOwed(operation)) this.#releases.failed(operation, 'refused');\n      this.#heardError",
        'this.#heardError',
      ],
    ],
  },
  {
    name: 'a process that was stopped before it sent anything held that against the nodes',
    code: [['node/batcher.ts', 'if (now - tick.atMs >= LONGEST_TICK_MS) tick.atMs = now;', '']],
  },
  {
    name: 'a process that was stopped between two readings of its clocks took that for a suspend of its host',
    code: [
      [
        'base/sound-clock.ts',
        'Math.max(this.#mostAhead, uptime - this.monotonic())',
        'Math.max(this.#mostAhead, uptime - monotonic)',
      ],
    ],
  },
  {
    name: 'readings that were in flight at the same time made a clock wrong',
    code: [
      [
        'node/node-time.ts',
        'const longestMs = to.receivedAtMs - least.sentAtMs;',
        'const longestMs = to.sentAtMs - least.sentAtMs;',
      ],
    ],
  },
  {
    name: 'a node was blamed for the uptime of the client’s host',
    code: [['node/node-time.ts', ' - (to.jumpedMs - most.jumpedMs);', ';']],
  },
  {
    name: 'a deadline lay before the time of a node whose last answer was slow',
    code: [
      [
        'node/node-time.ts',
        'last.timeUs + Math.ceil(elapsedMs * 1_000)',
        'last.timeUs + Math.ceil((elapsedMs - (last.receivedAtMs - last.sentAtMs)) * 1_000)',
      ],
    ],
  },
  {
    name: 'a node that forgot again in its quarantine voted at the end of the first one',
    code: [
      [
        'membership/membership.ts',
        'const known = member.joining?.nonce === nonce ? member.joining : undefined;',
        'const known = member.joining;',
      ],
      [
        'membership/membership.ts',
        'if (nonce === undefined || nonce !== member.joining?.nonce) member',
        'if (nonce === undefined) member',
      ],
    ],
  },
  {
    name: 'a joining marker was not raised by a program with longer ttls',
    code: [
      [
        'membership/membership.ts',
        'this.#withOurTtl(member, handshake, marker, () => this.#watch(member, nonce, false));',
        'this.#watch(member, nonce, false);',
      ],
    ],
  },
  {
    name: 'a node that forgot within a call for it stayed a voter until its next connection',
    code: [
      [
        'node/node.ts',
        "if (reply.outcome === 'failed' && reply.reason === 'quarantined') return this.#learnOfQuarantine(reply);",
        '',
      ],
    ],
  },
  {
    name: 'two clients that started a deployment at once waited for each other',
    code: [
      [
        'membership/member.ts',
        'untilMs: handshake.receivedAtMs + CLAIM_MS',
        'untilMs: Number.POSITIVE_INFINITY',
      ],
    ],
  },
  {
    name: 'a counter near the end of what a double holds gave the same token twice',
    lua: [['counter.lua', ' and last + block < COUNTER_LIMIT and', ' and']],
    model: [
      ['call-model.ts', 'raised <= floor || raised >= COUNTER_LIMIT) return', 'raised <= floor) return'],
    ],
  },
  {
    name: 'a waiter that was passed over did not hear of it, and slept outside of the queues',
    lua: [
      [
        'waiting.lua',
        "if redis.pcall('ZREM', KEYS[i + n], member) == 1 and hung then notify(member) end",
        "redis.pcall('ZREM', KEYS[i + n], member)",
      ],
    ],
    model: [['batch-model.ts', 'if (left === 1 && hung !== undefined) this.#queues.notify(member);', '']],
  },
  {
    name: 'all waiters of a process that hangs had to be passed over one by one',
    lua: [
      [
        'queue.lua',
        'if heard and not (hung and string.find(member, hung, 1, true) == 1) then',
        'if heard then',
      ],
    ],
    model: [['queue-model.ts', 'if (isHeard && !isHung)', 'if (isHeard && (isHung || !isHung))']],
  },
  {
    name: 'waiters slept on behind one that was notified and hung',
    code: [
      [
        'waiting/hand-over-watch.ts',
        'if (closing.aborted) return;\n    this.#watched',
        'if (!closing.aborted) return;\n    this.#watched',
      ],
    ],
  },
  {
    name: 'a waiter whose timer came a part of a millisecond too early went on waiting',
    code: [['waiting/waiter.ts', 'return this.#limit === OVER || this.elapsedMs', 'return this.elapsedMs']],
  },
  {
    name: 'an attempt that was made before the subscription left a waiter out of all queues',
    code: [
      [
        'waiting/wait-queue.ts',
        'else if (this.#ticket?.isQueued === true) {\n      this.#wakeWithin(this.#untilRecheckMs());',
        'else if (this.#ticket?.isQueued !== false) {\n      this.#wakeWithin(this.#untilRecheckMs());',
      ],
    ],
  },
  {
    name: 'a lease that ended while its next caller was found stayed with that queue',
    code: [
      [
        'waiting/wait-queue.ts',
        "if (this.#state === 'held' || this.#state === 'renewing') this.#attempt();",
        "if (this.#state === 'idle') this.#attempt();",
      ],
    ],
  },
  {
    name: 'a lock that came after its caller’s signal had aborted stayed on the nodes',
    code: [
      [
        'waiting/acquire-request.ts',
        "if (attempt.outcome === 'acquired') void attempt.lease.releaseOnNodes();",
        '',
      ],
    ],
  },
  {
    name: 'a driver that died without a word was never replaced',
    code: [['wire/clients/ioredis.ts', '? unanswered + 1 : 0;', '? 1 : 0;']],
  },
  {
    name: 'something that is none of the script’s answers spoiled tokens and clocks',
    code: [
      [
        'wire/operation.ts',
        'if (!isReplyTo(operation, element)) throw new MalformedAnswerError(element);',
        'isReplyTo(operation, element);',
      ],
      [
        'wire/operation.ts',
        'if (isTimed ? !isTimeUs(elements[0]) : elements[0] !== 0) throw new MalformedAnswerError(answer);',
        '',
      ],
    ],
  },
];

/** What goes wrong in other Redlock libraries. */
const OF_PEERS: readonly Change[] = [
  {
    name: 'a tie of an even number of nodes never settles, and keeps its keys',
    code: [
      ['quorum/round.ts', 'if (nodeCount - refused < majority) return', 'if (refused >= majority) return'],
      [
        'quorum/round.ts',
        'if (!mayEndEarly && isAnyAwaited(nodes, votes, already)) return;',
        "if (!mayEndEarly && (isAnyAwaited(nodes, votes, already) || decision === 'undecided')) return;",
      ],
    ],
  },
  {
    name: 'a lock is returned that has expired already',
    code: [
      [
        'lock/attempts.ts',
        'block);\n      if (lease.remainingMs() > 0)',
        'block);\n      if (lease !== undefined)',
      ],
    ],
  },
  {
    name: 'a failed extension unlocks the lock',
    code: [
      [
        'lock/lease.ts',
        'throw new ExtendFailedError({',
        'void this.releaseOnNodes();\n      throw new ExtendFailedError({',
      ],
    ],
  },
  {
    name: 'using() leaves a live timer where it ends during an extension',
    code: [['lock/auto-extend.ts', "this.#state = 'stopped';\n    this.#timers", 'this.#timers']],
  },
  {
    name: 'a ttl beyond what timers hold becomes a hot loop',
    code: [
      [
        'base/clock.ts',
        'const stretchMs = Math.min(ms, LONGEST_TIMEOUT_MS);',
        'const stretchMs = Math.min(ms, Number.POSITIVE_INFINITY);',
      ],
    ],
  },
  {
    name: 'a lock lives on while the wall clock is set back',
    code: [
      ['base/sound-clock.ts', '    now.monotonic - start.monotonic,\n', ''],
      ['base/sound-clock.ts', 'now.uptime - start.uptime + leaptMs', 'leaptMs'],
    ],
  },
  {
    name: 'a string is taken for a list of its letters',
    code: [
      [
        'redlock/resources.ts',
        ': { length: 1, list: [resources] },',
        ': { length: resources.length, list: [...resources] },',
      ],
      [
        'redlock/resources.ts',
        "    resources !== '' &&\n    resources.length <= MOST_CHARACTERS &&",
        '    resources.length === 1 &&',
      ],
    ],
  },
  {
    name: 'a lock over the same resource twice does not get it',
    code: [
      [
        'redlock/resources.ts',
        '[...new Set(list as readonly string[])].sort()',
        '[...(list as readonly string[])].sort()',
      ],
    ],
  },
  {
    name: 'a lock is told to be free while no node answers',
    code: [
      ['redlock/inspection.ts', 'if (free >= majority) return', 'if (free + unknown >= majority) return'],
    ],
  },
  {
    name: 'an outage is told as another holder',
    code: [
      [
        'quorum/round.ts',
        'if (votes.length - silent >= majorityOf(votes.length)) return',
        'if (votes.length - silent >= 0) return',
      ],
    ],
  },
  {
    name: 'a client of another database takes its locks in database 0',
    code: [
      ['wire/clients/ioredis.ts', 'ownRedisOptions(Number(db) || 0)', 'ownRedisOptions(0 * Number(db))'],
    ],
  },
  {
    name: 'a command that a driver sends again takes a key that was released',
    code: [
      [
        'wire/clients/ioredis.ts',
        '  autoResendUnfulfilledCommands: false,\n  maxRetriesPerRequest: 0,\n  connectTimeout',
        '  autoResendUnfulfilledCommands: true,\n  maxRetriesPerRequest: 20,\n  connectTimeout',
      ],
    ],
  },
];

/** The worst faults so far, and what brings each back. */
export const FAULTS: readonly Change[] = [...OWN, ...OF_PEERS];
