import type { Change } from './change.ts';

/** What the nodes keep to: each is in the scripts, and in their model. */
const NODES: readonly Change[] = [
  {
    name: 'ACQUIRE is refused after its deadline',
    lua: [
      ['acquire.lua', 'if late then return { LATE } end', ''],
      ['acquire-all.lua', 'if late then return { LATE } end', ''],
      ['batch.lua', 'n == 1 and votes and not late', 'n == 1 and votes'],
      ['fast-acquires.lua', 'if late or not votes', 'if not votes'],
    ],
    model: [['acquire-model.ts', 'if (this.#call.isLate) return [LATE];', '']],
  },
  {
    name: 'SHARE is refused after its deadline',
    lua: [['share.lua', 'score, previous)\n  if late then return { LATE } end', 'score, previous)']],
    model: [
      [
        'share-model.ts',
        'score, previous } = this.#request;\n    if (this.#call.isLate) return [LATE];',
        'score, previous } = this.#request;',
      ],
    ],
  },
  {
    name: 'EXTEND is refused after its deadline',
    lua: [['extend.lua', 'if late then return { LATE } end', '']],
    model: [
      [
        'batch-model.ts',
        'if (this.#call.isLate) return [LATE];\n    if (!this.#call.voting()) return [QUARANTINED];',
        'if (!this.#call.voting()) return [QUARANTINED];',
      ],
    ],
  },
  {
    name: 'EXTEND of a share is refused after its deadline',
    lua: [
      [
        'share.lua',
        'ttl, number, _, _, previous)\n  if late then return { LATE } end',
        'ttl, number, _, _, previous)',
      ],
    ],
    model: [
      [
        'share-model.ts',
        'ttl, number, previous } = this.#request;\n    if (this.#call.isLate) return [LATE];',
        'ttl, number, previous } = this.#request;',
      ],
    ],
  },
  {
    name: 'ENTER is refused after its deadline: the waiter may have left',
    lua: [['waiting.lua', 'if late then return { LATE } end', '']],
    model: [
      [
        'batch-model.ts',
        'ttl: score }: Request): BatchReply {\n    if (this.#call.isLate) return [LATE];',
        'ttl: score }: Request): BatchReply {',
      ],
    ],
  },
  {
    name: 'ACQUIRE needs an active marker',
    lua: [
      ['acquire.lua', 'if not votes then return { QUARANTINED } end', ''],
      ['acquire-all.lua', 'if not votes then return { QUARANTINED } end', ''],
      ['batch.lua', 'n == 1 and votes and not late', 'n == 1 and not late'],
      ['fast-acquires.lua', 'if late or not votes', 'if late'],
    ],
    model: [['acquire-model.ts', 'if (!this.#call.voting()) return [QUARANTINED];', '']],
  },
  {
    name: 'SHARE needs an active marker',
    lua: [
      [
        'share.lua',
        'score, previous)\n  if late then return { LATE } end\n  if not votes then return { QUARANTINED } end',
        'score, previous)\n  if late then return { LATE } end',
      ],
    ],
    model: [
      [
        'share-model.ts',
        'score, previous } = this.#request;\n    if (this.#call.isLate) return [LATE];\n    if (!this.#call.voting()) return [QUARANTINED];',
        'score, previous } = this.#request;\n    if (this.#call.isLate) return [LATE];',
      ],
    ],
  },
  {
    name: 'CONFIRM needs an active marker',
    lua: [['confirm.lua', 'if not votes then return { QUARANTINED } end', '']],
    model: [
      [
        'batch-model.ts',
        "number = '' }: Request): BatchReply {\n    if (!this.#call.voting()) return [QUARANTINED];",
        "number = '' }: Request): BatchReply {",
      ],
    ],
  },
  {
    name: 'EXTEND needs an active marker',
    lua: [['extend.lua', 'if not votes then return { QUARANTINED } end', '']],
    model: [
      [
        'batch-model.ts',
        'if (!this.#call.voting()) return [QUARANTINED];\n    const { store } = this.#call;',
        'const { store } = this.#call;',
      ],
    ],
  },
  {
    name: 'a free key of a node that may not vote is told as quarantined, not as free',
    lua: [['inspect.lua', 'return votes and { MISSING', 'return true and { MISSING']],
    model: [
      [
        'batch-model.ts',
        'return this.#call.voting() ? [MISSING, counter]',
        'return true ? [MISSING, counter]',
      ],
    ],
  },
  {
    name: 'a marker that is not active lets no node vote',
    lua: [['prelude.lua', "'^active (%x+)", "'^%a+ (%x+)"]],
    model: [['call-model.ts', '/^active ([0-9a-fA-F]+)', '/^\\w+ ([0-9a-fA-F]+)']],
  },
  {
    name: 'a marker of an earlier process lets no node vote',
    lua: [
      ['prelude.lua', "string.find(info, 'run_id:' .. run_id .. '\\r', 1, true) ~= nil", 'run_id ~= nil'],
    ],
    model: [['call-model.ts', ' && this.server.runId === runId', ' && runId !== undefined']],
  },
  {
    name: 'a marker of a quorum of another size lets no node vote',
    lua: [['prelude.lua', 'votes = nodes == node_count', 'votes = nodes ~= nil']],
    model: [['call-model.ts', 'return nodes === this.#nodeCount &&', 'return nodes !== undefined &&']],
  },
  {
    name: 'a marker of shorter ttls lets no node vote',
    lua: [['prelude.lua', 'tonumber(longest) >= max_ttl', 'tonumber(longest) >= 0']],
    model: [['call-model.ts', 'Number(maxTtl) >= this.maxTtl', 'Number(maxTtl) >= 0']],
  },
  {
    name: 'a marker is written only for the process that the client saw',
    lua: [['marker.lua', 'and run_id == ARGV[2] and', 'and']],
    model: [['marker-model.ts', 'runId === seenRunId && ', '']],
  },
  {
    name: 'a marker is written only over the one that the client saw',
    lua: [['marker.lua', 'and marker == ARGV[3] and', 'and']],
    model: [['marker-model.ts', 'marker === seenMarker && ', '']],
  },
  {
    name: 'a marker is written only before its deadline',
    lua: [['marker.lua', ' and now <= tonumber(ARGV[4])', '']],
    model: [['marker-model.ts', ' && timeUs <= Number(deadline)', '']],
  },
  {
    name: 'ACQUIRE, asked twice, leaves the expiry alone',
    lua: [['acquire.lua', '  local fence = KEYS', "  redis.call('PEXPIRE', key, ttl)\n  local fence = KEYS"]],
    model: [
      [
        'acquire-model.ts',
        'if (owner === value) return undefined;',
        'if (owner === value) return void store.expire(key, ttl);',
      ],
    ],
  },
  {
    name: 'ACQUIRE, asked twice, answers the same counter',
    lua: [
      ['acquire.lua', 'if not is_taken then\n    local token', 'if false then\n    local token'],
      ['acquire-all.lua', 'if #taken == 0 then', 'if false then'],
    ],
    model: [['acquire-model.ts', 'if (this.#taken.length === 0) {', 'if (this.#taken.length < 0) {']],
  },
  {
    name: 'ACQUIRE takes no key that another value owns',
    lua: [['acquire.lua', 'if owner ~= value then\n', 'if owner == RESERVED then\n']],
    model: [['acquire-model.ts', 'if (!this.#isOpen(key, owner)) return', 'if (owner.length < 2) return']],
  },
  {
    name: 'ACQUIRE takes no key that sharers have',
    lua: [
      [
        'acquire.lua',
        'if not is_open(key, owner, member, score)',
        'if owner ~= SHARED and not is_open(key, owner, member, score)',
      ],
    ],
    model: [
      [
        'acquire-model.ts',
        'if (!this.#isOpen(key, owner)) return',
        "if (owner !== '&' && !this.#isOpen(key, owner)) return",
      ],
    ],
  },
  {
    name: 'ACQUIRE of several keys takes all or none',
    lua: [
      [
        'acquire-all.lua',
        '  if reply then\n    local names',
        '  if reply and #free == 0 then\n    local names',
      ],
    ],
    model: [
      [
        'acquire-model.ts',
        'if (held !== undefined) {\n      const again',
        'if (held !== undefined && free.length === 0) {\n      const again',
      ],
    ],
  },
  {
    name: 'ACQUIRE of several keys that fails leaves none behind',
    lua: [['acquire-all.lua', "for i = 1, #taken do redis.call('DEL', taken[i]) end", '']],
    model: [['acquire-model.ts', 'for (const key of this.#taken) this.#call.store.delete(key);', '']],
  },
  {
    name: 'the token of several keys is above every counter of them',
    lua: [['acquire-all.lua', 'token = math.max(token, counter)\n', 'token = counter\n']],
    model: [
      [
        'acquire-model.ts',
        'token = Math.max(token, this.#call.raise(fence, floor));',
        'token = this.#call.raise(fence, floor);',
      ],
    ],
  },
  {
    name: 'all counters of several keys become the token',
    lua: [['acquire-all.lua', '  set_counters(first, n, token)\n  return', '  return']],
    model: [['acquire-model.ts', 'if (fences.length > 1) for', 'if (fences.length > 9) for']],
  },
  {
    name: 'ACQUIRE raises the counter by a whole block',
    lua: [['counter.lua', '    token = last + block\n', '    token = last + 1\n']],
    model: [
      [
        'call-model.ts',
        'this.setCounter(fence, raised);\n    return raised;',
        'this.setCounter(fence, before + 1);\n    return before + 1;',
      ],
    ],
  },
  {
    name: 'ACQUIRE raises the counter at all',
    lua: [['counter.lua', '    token = last + block\n', '    token = last\n']],
    model: [
      [
        'call-model.ts',
        'this.setCounter(fence, raised);\n    return raised;',
        'this.setCounter(fence, before);\n    return before;',
      ],
    ],
  },
  {
    name: 'no proposal pushes a counter further than β into the future',
    lua: [['counter.lua', 'and token <= now + beta and', 'and']],
    model: [
      [
        'call-model.ts',
        'Math.floor(Math.min(proposal, this.timeUs + this.#clampUs))',
        'Math.floor(proposal)',
      ],
    ],
  },
  {
    name: 'no proposal is further than β behind the tokens of a counter that is lost',
    lua: [['counter.lua', 'if not (token and token >= now - beta and', 'if not (token and token >= 0 and']],
    model: [['call-model.ts', 'return proposal >= lowest ?', 'return proposal >= 0 ?']],
  },
  {
    name: 'ACQUIRE never shortens the life of a counter',
    lua: [['counter.lua', "math.max(retention, redis.call('PTTL', fence))", 'retention']],
  },
  {
    name: 'no operation shortens the life of a counter',
    lua: [
      ['counter.lua', "math.max(retention, redis.call('PTTL', fence))", 'retention'],
      ['keys.lua', "math.max(retention, redis.call('PTTL', fence))", 'retention'],
    ],
    model: [['call-model.ts', 'Math.max(this.#retentionMs, this.store.ttlOf(fence))', 'this.#retentionMs']],
  },
  {
    name: 'what is no counter is a counter that is lost, and is healed',
    lua: [['counter.lua', "if failure and string.find(failure, 'WRONGTYPE', 1, true) then", 'if false then']],
    model: [
      ['call-model.ts', 'if (!isWrongType(error)) throw error;', 'if (isWrongType(error)) throw error;'],
    ],
  },
  {
    name: 'tokens are written with all of their digits',
    lua: [['keys.lua', "return string.format('%.0f', number)", 'return tostring(number)']],
  },
  {
    name: 'ACQUIRE leaves no key behind where its counter can not be raised',
    lua: [
      ['acquire.lua', "if is_taken then redis.call('DEL', key) end", ''],
      ['take.lua', "redis.pcall('DEL', lock)", ''],
    ],
    model: [['acquire-model.ts', 'for (const key of this.#taken) this.#call.store.delete(key);', '']],
  },
  {
    name: 'CONFIRM asks that the key is there',
    lua: [
      ['confirm.lua', 'if owner == nil then return { MISSING } end', ''],
      ['confirm.lua', 'if owner ~= value then', 'if owner and owner ~= value then'],
    ],
    model: [
      [
        'batch-model.ts',
        'if (owner === undefined) return [MISSING];\n      if (owner !== value)',
        'if (owner !== undefined && owner !== value)',
      ],
    ],
  },
  {
    name: 'CONFIRM asks that the value owns the key',
    lua: [['confirm.lua', 'if owner ~= value then return refusal(KEYS[i], owner) end', '']],
    model: [
      [
        'batch-model.ts',
        'if (owner === undefined) return [MISSING];\n      if (owner !== value) return this.#call.refusal(key, owner);',
        'if (owner === undefined) return [MISSING];',
      ],
    ],
  },
  {
    name: 'CONFIRM is refused where the counter is higher',
    lua: [['confirm.lua', 'if counter and counter > token then return { SUPERSEDED, counter } end', '']],
    model: [
      [
        'batch-model.ts',
        "const counter = this.#call.counter(fences[index] ?? '');\n      if (counter !== undefined && counter > token) return [SUPERSEDED, counter];\n    }\n    for (const fence",
        '}\n    for (const fence',
      ],
    ],
  },
  {
    name: 'CONFIRM makes the counter the token',
    lua: [['confirm.lua', '  set_counters(first, n, token)\n', '']],
    model: [['batch-model.ts', 'for (const fence of fences) this.#call.setCounter(fence, token);', '']],
  },
  {
    name: 'EXTEND is refused where another value owns the key',
    lua: [['extend.lua', 'return refusal(KEYS[i], owner)', 'taken[i] = true']],
    model: [
      [
        'batch-model.ts',
        '} else if (owner !== value) {\n        return this.#call.refusal(key, owner);',
        '} else if (owner !== value) {\n        taken.add(key);',
      ],
    ],
  },
  {
    name: 'EXTEND is refused where a counter is higher',
    lua: [['extend.lua', 'if counter and counter > token then return { SUPERSEDED, counter } end', '']],
    model: [
      [
        'batch-model.ts',
        "const counter = this.#call.counter(fences[index] ?? '');\n        if (counter !== undefined && counter > token) return [SUPERSEDED, counter];\n      }\n    }\n    for (const [index, key]",
        '}\n    }\n    for (const [index, key]',
      ],
    ],
  },
  {
    name: 'EXTEND never shortens',
    lua: [['extend.lua', 'elseif remaining < tonumber(ttl) then', 'else']],
    model: [
      [
        'batch-model.ts',
        'else if (remaining < Number(ttl)) store.expire(key, ttl);',
        'else store.expire(key, ttl);',
      ],
    ],
  },
  {
    name: 'EXTEND takes a key again that the node has lost',
    lua: [['extend.lua', 'if owner == nil and (previous or not token) then', 'if owner == nil then']],
    model: [
      [
        'batch-model.ts',
        'if (owner === undefined && (isAdopted || token === undefined)) return',
        'if (owner === undefined) return',
      ],
    ],
  },
  {
    name: 'EXTEND without fencing takes no key that is gone',
    lua: [
      ['extend.lua', 'if owner == nil and (previous or not token) then', 'if owner == nil and previous then'],
    ],
    model: [
      [
        'batch-model.ts',
        'if (owner === undefined && (isAdopted || token === undefined)) return',
        'if (owner === undefined && isAdopted) return',
      ],
    ],
  },
  {
    name: 'a lock that is handed over to another process is not taken where its key is gone',
    lua: [
      [
        'extend.lua',
        'if owner == nil and (previous or not token) then',
        'if owner == nil and not token then',
      ],
    ],
    model: [
      [
        'batch-model.ts',
        'if (owner === undefined && (isAdopted || token === undefined)) return',
        'if (owner === undefined && token === undefined) return',
      ],
    ],
  },
  {
    name: 'a lock that is handed over to another process is taken from the value that had it alone',
    lua: [['extend.lua', 'if owner == nil or owner == previous then', 'if owner == nil or previous then']],
    model: [['batch-model.ts', '(isAdopted && owner === previous)', 'isAdopted']],
  },
  {
    name: 'EXTEND makes the counter the token',
    lua: [
      [
        'extend.lua',
        "if token then redis.call('SET', KEYS[i + n], digits(token), 'PX', lifetime_of(KEYS[i + n])) end",
        '',
      ],
    ],
    model: [
      ['batch-model.ts', "if (token !== undefined) this.#call.setCounter(fences[index] ?? '', token);", ''],
    ],
  },
  {
    name: 'RELEASE frees no key of another value',
    lua: [
      ['release.lua', 'elseif owner == value then', 'elseif owner ~= nil then'],
      ['prelude.lua', "redis.pcall('GET', lock) == value and ", ''],
      [
        'fast-releases.lua',
        'are_mine = are_mine and owners[j] == ARGV[i + 3 + j]',
        'are_mine = are_mine and owners[j] ~= false',
      ],
    ],
    model: [['batch-model.ts', '} else if (owner === value) {', '} else if (owner !== undefined) {']],
  },
  {
    name: 'RELEASE alone in its call frees no key of another value',
    lua: [['prelude.lua', "redis.pcall('GET', lock) == value and ", '']],
  },
  {
    name: 'RELEASE among others of its call frees no key of another value',
    lua: [
      [
        'fast-releases.lua',
        'are_mine = are_mine and owners[j] == ARGV[i + 3 + j]',
        'are_mine = are_mine and owners[j] ~= false',
      ],
    ],
  },
  {
    name: 'ACQUIRE among others of its call is refused after its deadline',
    lua: [['fast-acquires.lua', 'if late or not votes', 'if not votes']],
  },
  {
    name: 'ACQUIRE among others of its call needs an active marker',
    lua: [['fast-acquires.lua', 'if late or not votes', 'if late']],
  },
  {
    name: 'RELEASE among others of its call hands the key to the first waiter',
    lua: [
      [
        'fast-releases.lua',
        "if redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) == 0 then",
        'if queues > 0 then',
      ],
    ],
  },
  {
    name: 'RELEASE of several keys that is alone in its call looks at each',
    lua: [['prelude.lua', "first == 'release' and n == '1' and deadline", "first == 'release' and deadline"]],
  },
  {
    name: 'RELEASE hands the key to the first waiter',
    lua: [['release.lua', 'return has_queue(queue) and hand_to_first(KEYS[i], queue)', 'return false']],
    model: [
      [
        'queue-model.ts',
        "return this.#call.store.typeOf(queue) !== 'none' && this.handToFirst(key, queue);",
        'return key === queue;',
      ],
    ],
  },
  {
    name: 'a key is reserved by the name of the waiter that is called',
    lua: [['queue.lua', "return not redis.pcall('SET', lock, reservation, 'PX', grace).err", 'return false']],
    model: [
      [
        'queue-model.ts',
        'store.set(key, reservation, grace);\n        return true;',
        'return key === reservation;',
      ],
    ],
  },
  {
    name: 'a reserved key is taken by its waiter alone, or by an older one',
    lua: [
      [
        'queue.lua',
        "return other == member or (since > asked_at(score) and redis.call('PTTL', lock) > tonumber(grace))",
        'return true',
      ],
    ],
    model: [
      [
        'queue-model.ts',
        'if (reservation.member === member) return true;',
        'if (reservation.since >= 0) return true;',
      ],
    ],
  },
  {
    name: 'an older waiter leaves a waiter alone that was called a moment ago',
    lua: [['queue.lua', " and redis.call('PTTL', lock) > tonumber(grace))", ')']],
    model: [['queue-model.ts', ' && store.ttlOf(key) > Number(grace);', ';']],
  },
  {
    name: 'a free key with a queue goes to the first waiter, not to a caller that comes by',
    lua: [
      ['acquire.lua', 'if has_queue(queue) and', 'if false and'],
      ['batch.lua', "if redis.pcall('EXISTS', KEYS[key + (fence and 2 or 1)]) == 0 then", 'if true then'],
      [
        'fast-acquires.lua',
        "elseif redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) ~= 0 then",
        'elseif false then',
      ],
    ],
    model: [
      [
        'acquire-model.ts',
        'if (isSet && this.#handOver(key, queue))',
        'if (isSet && key === queue && this.#handOver(key, queue))',
      ],
    ],
  },
  {
    name: 'a waiter whose process does not hear it is passed over',
    lua: [['queue.lua', "return type(heard) == 'number' and heard > 0", "return type(heard) == 'number'"]],
    model: [['queue-model.ts', 'member.slice(dot + 1) + slot) > 0;', 'member.slice(dot + 1) + slot) >= 0;']],
  },
  {
    name: 'no waiter has a place of the future',
    lua: [['queue.lua', 'asked >= 0 and asked <= now and', 'asked >= 0 and']],
    model: [['lua-values.ts', 'asked >= 0 && asked <= nowUs &&', 'asked >= 0 &&']],
  },
  {
    name: 'a waiter that is refused enters the queue',
    lua: [
      ['queue.lua', 'before = math.max(before, wait_in(queues[i], member, score)) end', 'before = 0 end'],
    ],
    model: [
      [
        'queue-model.ts',
        '...queues.map((queue) => this.enter(queue, member, score))',
        '...queues.map(() => 0)',
      ],
    ],
  },
  {
    name: 'a waiter that has its lock leaves the queue',
    lua: [
      ['queue.lua', "      redis.pcall('ZREM', queues[i], member)\n      local left", '      local left'],
    ],
    model: [['acquire-model.ts', 'attempt(() => store.removeMember(queue, this.#request.member));', '']],
  },
  {
    name: 'a queue without its waiters expires',
    lua: [
      [
        'queue.lua',
        "if redis.call('PTTL', queue) < lifetime then redis.call('PEXPIRE', queue, lifetime) end",
        '',
      ],
    ],
    model: [['queue-model.ts', 'if (store.ttlOf(queue) < 2 * maxTtl) store.expire(queue, 2 * maxTtl);', '']],
  },
  {
    name: 'a program with a shorter maxTtl does not shorten the life of a queue',
    lua: [['queue.lua', "if redis.call('PTTL', queue) < lifetime then", 'if true then']],
    model: [['queue-model.ts', 'if (store.ttlOf(queue) < 2 * maxTtl) store', 'if (maxTtl > 0) store']],
  },
  {
    name: 'LEAVE hands a key that is reserved for the waiter to the next',
    lua: [['waiting.lua', "      redis.call('DEL', KEYS[i])\n", '']],
    model: [
      [
        'batch-model.ts',
        'handToFirst(key, queue, hung))\n        store.delete(key);',
        'handToFirst(key, queue, hung))\n        store.typeOf(key);',
      ],
    ],
  },
  {
    name: 'a key that never was a lock is left alone',
    lua: [['keys.lua', 'if remaining == -1 then', 'if remaining == -3 then']],
    model: [['call-model.ts', 'return remaining === -1 ?', 'return remaining === -3 ?']],
  },
  {
    name: 'a reader comes in only where no writer is',
    lua: [['share.lua', 'elseif not is_free then', "elseif not is_free and owner == '' then"]],
    model: [['share-model.ts', '} else if (!isFree) {', "} else if (!isFree && owner === '') {"]],
  },
  {
    name: 'every reader has an expiry of its own',
    lua: [['share.lua', 'return score and score >= math.floor(now / 1000) and score or nil', 'return score']],
    model: [
      [
        'share-model.ts',
        'return score !== undefined && score >= this.#nowMs ? score : undefined;',
        'return score;',
      ],
    ],
  },
  {
    name: 'CONFIRM of a share asks that the value has one',
    lua: [['share.lua', 'if not share_of(KEYS[first + 3], value) then return { MISSING } end', '']],
    model: [['share-model.ts', 'if (this.#shareOf(value) === undefined) return [MISSING];', '']],
  },
  {
    name: 'CONFIRM of a share never lowers the counter',
    lua: [['share.lua', 'if not counter or counter < token then set_counters', 'if true then set_counters']],
    model: [
      ['share-model.ts', 'if (counter === undefined || counter < token) this', 'if (counter !== 0) this'],
    ],
  },
  {
    name: 'CONFIRM of a share raises the counter to the token',
    lua: [['share.lua', 'if not counter or counter < token then set_counters', 'if false then set_counters']],
    model: [
      ['share-model.ts', 'if (counter === undefined || counter < token) this', 'if (counter === 0) this'],
    ],
  },
  {
    name: 'EXTEND of a share that the node has lost is refused where the counter is higher',
    lua: [
      [
        'share.lua',
        'if not known and counter and counter > token then return { SUPERSEDED, counter } end',
        '',
      ],
    ],
    model: [
      [
        'share-model.ts',
        'if (known === undefined && counter !== undefined && counter > token) return [SUPERSEDED, counter];',
        '',
      ],
    ],
  },
  {
    name: 'EXTEND of a share never shortens',
    lua: [
      ['share.lua', 'if not known or known < math.floor(now / 1000) + tonumber(ttl) then', 'if true then'],
    ],
    model: [
      [
        'share-model.ts',
        'if (known === undefined || known < this.#nowMs + Number(ttl)) {',
        'if (known !== 0) {',
      ],
    ],
  },
  {
    name: 'RELEASE of a share leaves the other readers theirs',
    lua: [['share.lua', "(freed and (not last[2] or redis.call('EXISTS', key) == 0))", 'freed']],
    model: [
      [
        'share-model.ts',
        'const isOver = isGone || (isFreed && last === undefined);',
        'const isOver = isGone || isFreed;',
      ],
    ],
  },
  {
    name: 'a writer that waits keeps new readers out',
    lua: [['share.lua', 'local again = wait_behind(queue, readers, member, score)', 'local again = nil']],
    model: [
      [
        'share-model.ts',
        'const again = this.#waitBehind();',
        'const again = this.#nowMs < 0 ? this.#waitBehind() : undefined;',
      ],
    ],
  },
  {
    name: 'a dead writer keeps no readers out',
    lua: [
      [
        'share.lua',
        "if notify(redis.call('ZPOPMIN', queue)[1]) then",
        "notify(redis.call('ZPOPMIN', queue)[1])\n    if true then",
      ],
    ],
    model: [
      [
        'share-model.ts',
        'if (this.#queues.notifyFirst(this.#queue)) {',
        'if (this.#queues.notifyFirst(this.#queue) || this.#nowMs > 0) {',
      ],
    ],
  },
  {
    name: 'a slot that is reserved elsewhere is exchanged for the one that is asked for',
    lua: [
      [
        'permit.lua',
        'pass_on(semaphore, queue, member, key, owner ~= mine and owner)',
        'pass_on(semaphore, queue, member, key)',
      ],
    ],
    model: [
      [
        'permit-model.ts',
        'this.#passOn(member, this.#key, owner === mine ? undefined : owner);',
        'this.#passOn(member, this.#key);',
      ],
    ],
  },
  {
    name: 'a slot that the semaphore does not have is not taken',
    lua: [['permit.lua', ' or tonumber(slot) >= count then', ' then']],
    model: [['permit-model.ts', ' || Number(slot) >= count)', ')']],
  },
  {
    name: 'a slot is handed only to a waiter that knows of it',
    lua: [
      ['queue.lua', 'return not known or tonumber(known) > tonumber(string.sub(slot, 2))', 'return true'],
    ],
    model: [
      [
        'queue-model.ts',
        'return known === undefined || Number(known) > Number(slot.slice(1));',
        'return member !== slot;',
      ],
    ],
  },
  {
    name: 'the oldest waiter for several keys keeps the free ones',
    lua: [['acquire-all.lua', 'if held and is_oldest then', 'if false then']],
    model: [['acquire-model.ts', 'const again = isOldest ?', 'const again = isOldest && held.length > 9 ?']],
  },
  {
    name: 'a younger waiter for several keys keeps nothing',
    lua: [
      ['acquire-all.lua', 'if other then is_oldest = false end', ''],
      ['acquire-all.lua', '      is_oldest = false\n      owner', '      owner'],
    ],
    model: [
      ['acquire-model.ts', 'if (isKept) isOldest = false;', ''],
      ['acquire-model.ts', 'if (reserved !== undefined) isOldest = false;', ''],
    ],
  },
  {
    name: 'a waiter for several keys takes what is kept for a younger one',
    lua: [['acquire-all.lua', '(other == member or since > asked)', 'other == member']],
    model: [['acquire-model.ts', '(isMine || reserved.since > asked)', 'isMine']],
  },
  {
    name: 'what is kept for a waiter of several keys does not outlive it for long',
    lua: [
      [
        'queue.lua',
        'math.min(40 * grace, math.max(2 * grace, (now - asked_at(score)) / 2000))',
        'math.max(2 * grace, now - asked_at(score))',
      ],
    ],
    model: [
      [
        'queue-model.ts',
        'Math.min(40 * grace, Math.max(2 * grace, (timeUs - askedAt(score, timeUs)) / 2_000))',
        'Math.max(2 * grace, timeUs - askedAt(score, timeUs))',
      ],
    ],
  },
  {
    name: 'ADOPT takes a share away from the value that was handed over',
    lua: [['share.lua', "      redis.call('ZREM', readers, previous)\n", '']],
    model: [['share-model.ts', 'this.#call.store.removeMember(this.#sharers, previous);', 'void previous;']],
  },
  {
    name: 'ADOPT takes no share that the node has lost',
    lua: [
      [
        'share.lua',
        'if not known and (previous or not token) then return { MISSING } end',
        'if not known and not token then return { MISSING } end',
      ],
    ],
    model: [
      [
        'share-model.ts',
        'if (known === undefined && (isAdopted || token === undefined)) return [MISSING];',
        'if (known === undefined && token === undefined) return [MISSING];',
      ],
    ],
  },
];

/** What a client keeps to. */
const CLIENTS: readonly Change[] = [
  {
    name: 'a majority is more than half of the nodes',
    code: [['quorum/round.ts', 'return Math.floor(nodeCount / 2) + 1;', 'return Math.ceil(nodeCount / 2);']],
  },
  {
    name: 'a round is lost as soon as no majority can be reached, ties included',
    code: [
      [
        'quorum/round.ts',
        'if (nodeCount - refused < majority) return',
        'if (nodeCount - refused < 1) return',
      ],
    ],
  },
  {
    name: 'every node answers within its own time, or counts as refused',
    code: [['node/batcher.ts', 'if (late.length > 0) this.#giveLateUp(late);', '']],
  },
  {
    name: 'late answers never vote',
    code: [
      [
        'node/batcher.ts',
        '    if (entry.replied) return;\n    entry.replied = true;',
        '    entry.replied = true;',
      ],
    ],
  },
  {
    name: 'the token is the highest counter of the granting majority',
    code: [['quorum/fencing-token.ts', 'if (vote.counter > token) {', 'if (token === 0) {']],
  },
  {
    name: 'a majority has to have the token before the lock is won',
    code: [
      ['quorum/quorum.ts', 'if (confirmed >= majorityOf(this.size)) return', 'if (confirmed >= 1) return'],
    ],
  },
  {
    name: 'a lock whose token no majority confirms is lost',
    code: [
      [
        'quorum/quorum.ts',
        'return { granted: isConfirmed, votes',
        'return { granted: isConfirmed || granted, votes',
      ],
    ],
  },
  {
    name: 'only nodes that have the token count as confirmed',
    code: [
      [
        'quorum/quorum.ts',
        "if (vote.outcome === 'granted' && vote.counter === token) confirmed",
        "if (vote.outcome === 'granted') confirmed",
      ],
    ],
  },
  {
    name: 'proposals follow the time of the nodes, not of this machine',
    code: [
      [
        'quorum/fencing-token.ts',
        'const timeUs = this.timeUs(nowMs);\n',
        'const timeUs = Math.floor(nowMs * 1_000);\n',
      ],
    ],
  },
  {
    name: 'every proposal is above the last one',
    code: [
      [
        'quorum/fencing-token.ts',
        'isTooFar ? timeUs : Math.max(nextUs, timeUs)',
        'isTooFar ? timeUs : timeUs',
      ],
    ],
  },
  {
    name: 'the time of the nodes is the median of them',
    code: [['quorum/fencing-token.ts', 'ahead[Math.floor(ahead.length / 2)]', 'ahead[ahead.length - 1]']],
  },
  {
    name: 'a deadline counts from when the last answer was asked for',
    code: [['node/node-time.ts', '(nowMs - last.sentAtMs) * (1', '(nowMs - last.receivedAtMs) * (1']],
  },
  {
    name: 'a deadline allows for drift',
    code: [
      [
        'node/node-time.ts',
        '(nowMs - last.sentAtMs) * (1 + this.#driftFactor) + withinMs',
        'nowMs - last.sentAtMs + withinMs',
      ],
    ],
  },
  {
    name: 'a deadline ends with the time that a node has to answer',
    code: [
      [
        'node/node-time.ts',
        '(1 + this.#driftFactor) + withinMs;',
        '(1 + this.#driftFactor) + 10 * withinMs;',
      ],
    ],
  },
  {
    name: 'validity counts from before the first byte is sent',
    code: [
      [
        'lock/lease.ts',
        'this.#validFrom = grant.startedAt;\n    this',
        'this.#validFrom = instant(deps.clock);\n    this',
      ],
      ['lock/lease.ts', 'import { elapsedMs, type Instant }', 'import { elapsedMs, type Instant, instant }'],
    ],
  },
  {
    name: 'validity has the drift taken off',
    code: [
      [
        'lock/lease.ts',
        'ttl - elapsed - Math.ceil(ttl * driftFactor) - EXPIRY_PRECISION_MS;',
        'ttl - elapsed - Math.ceil(0 * driftFactor) - EXPIRY_PRECISION_MS;',
      ],
    ],
  },
  {
    name: 'a lock without validity is lost',
    code: [
      [
        'lock/attempts.ts',
        'ended }, grant, block);\n      if (lease.remainingMs() > 0)',
        'ended }, grant, block);\n      if (lease.remainingMs() > -1)',
      ],
    ],
  },
  {
    name: 'an attempt that is lost is released',
    code: [
      [
        'lock/attempts.ts',
        'quorum.background(quorum.rollBack(target, value, { votes, waiter }, releaseTimeout));',
        'void [waiter, releaseTimeout];',
      ],
    ],
  },
  {
    name: 'an attempt that is lost is released on nodes that answered nothing, too',
    code: [
      [
        'quorum/quorum.ts',
        "if (vote.outcome === 'held' || wasNeverSent(vote)) others",
        "if (vote.outcome !== 'granted' || wasNeverSent(vote)) others",
      ],
    ],
  },
  {
    name: 'a release that a node has not confirmed is sent again',
    code: [
      [
        'node/release-retries.ts',
        "if (setback === 'lost') {\n      this.#due.add(retry);",
        "if (setback === 'lost') {",
      ],
    ],
  },
  {
    name: 'every attempt has a value of its own',
    code: [['lock/attempts.ts', 'this.#count += 1;', 'this.#count = 1;']],
  },
  {
    name: 'no two processes have the same values',
    code: [
      [
        'lock/attempts.ts',
        'processOf(random.identifier(), owner)',
        "processOf(random === undefined ? '' : 'process', owner)",
      ],
    ],
  },
  {
    name: 'an extension that is agreed to after the old validity has ended is too late',
    code: [
      ['lock/lease.ts', '    this.#assertHeld();\n    if (!grant.granted) {', '    if (!grant.granted) {'],
    ],
  },
  {
    name: 'an extension never shortens the validity',
    code: [
      [
        'lock/lease.ts',
        'if (validMs - elapsedMs(clock, grant.startedAt) > this.remainingMs()) {',
        'if (validMs > 0 * elapsedMs(clock, grant.startedAt)) {',
      ],
    ],
  },
  {
    name: 'the validity of an extension counts from before it is sent',
    code: [
      [
        'lock/lease.ts',
        'this.#validFrom = grant.startedAt;\n      this',
        'this.#validFrom = instant(clock);\n      this',
      ],
      ['lock/lease.ts', 'import { elapsedMs, type Instant }', 'import { elapsedMs, type Instant, instant }'],
    ],
  },
  {
    name: 'a failed extension leaves the lock valid',
    code: [['lock/lease.ts', '.length >= majorityOf(votes.length)) {', '.length >= 0) {']],
  },
  {
    name: 'a majority that says so ends the lock at once',
    code: [['lock/lease.ts', '.length >= majorityOf(votes.length)) {', '.length > votes.length) {']],
  },
  {
    name: 'extensions and the release run one after the other',
    code: [
      [
        'lock/lease.ts',
        'this.#released = this.#turn === undefined ? this.#release() : this.#turn.then(() => this.#release());',
        'this.#released = this.#release();',
      ],
    ],
  },
  {
    name: 'a lease is handed over only while its block has a token left',
    code: [['lock/lease.ts', ' && this.#handsLeft > 0 && ', ' && ']],
  },
  {
    name: 'every caller of a lease has a token of its own, in order',
    code: [['lock/lease.ts', '0 ? 0 : this.lastToken - this.#handsLeft', '0 ? 0 : this.lastToken']],
  },
  {
    name: 'no late extension brings a lock back to the process that has handed it over to another one',
    code: [['lock/attempts.ts', 'handed.counter === 0 ? 0 : handed.counter + 1', 'handed.counter']],
  },
  {
    name: 'a lease is handed over for 100 ms at the most',
    code: [['lock/lease.ts', ' && this.ageMs < this.#turnMs', '']],
  },
  {
    name: 'a lease is handed over for less where many processes wait',
    code: [['lock/lease.ts', 'ROUND_MS / others', 'ROUND_MS / 0']],
  },
  {
    name: 'a lease is handed over with nearly all of the next ttl as validity',
    code: [
      ['lock/lease.ts', "return remainingMs >= freshMs ? 'now'", "return remainingMs >= 0 * freshMs ? 'now'"],
    ],
  },
  {
    name: 'a lease that is extended for the next caller is handed over when a majority has agreed',
    code: [['waiting/wait-queue.ts', 'isExtended = false;', 'isExtended = true;']],
  },
  {
    name: "a caller's lock is over before the next one has its own",
    code: [
      [
        'lock/lock.ts',
        'this.#end(() => new LockReleasedError',
        'setTimeout((why: () => QuorlockError) => this.#end(why), 0, () => new LockReleasedError',
      ],
    ],
  },
  {
    name: 'the first synchronous look at a lock is true to the facts',
    code: [['lock/lock.ts', 'if (this.#why === undefined) this.#lease.look();\n    return', 'return']],
  },
  {
    name: "a lock's signal is true to the facts whenever it is read",
    code: [['lock/lazy-signal.ts', '      look();\n      return Reflect', '      return Reflect']],
  },
  {
    name: 'time that the wall clock alone has seen counts',
    code: [['base/sound-clock.ts', '    now.wall - start.wall,\n', '']],
  },
  {
    name: 'time for which the host was suspended counts',
    code: [['base/sound-clock.ts', 'now.uptime - start.uptime + leaptMs', 'leaptMs']],
  },
  {
    name: 'time that a majority of nodes has seen counts',
    code: [
      [
        'base/sound-clock.ts',
        'now.uptime - start.uptime + leaptMs',
        'now.uptime - start.uptime + 0 * leaptMs',
      ],
    ],
  },
  {
    name: 'a node whose clock went ahead does not vote for a while',
    code: [
      [
        'membership/membership.ts',
        'node.distrustClock(this.#longestTtl * (1 + driftFactor));',
        'void driftFactor;',
      ],
    ],
  },
  {
    name: 'a waiter asks when a majority has called it',
    code: [
      [
        'waiting/wait-queue.ts',
        'return complete.length >= majorityOf(this.#deps.quorum.size);',
        'return complete.length >= 1;',
      ],
    ],
  },
  {
    name: 'a waiter enters no queue where it can not hear',
    code: [
      ['waiting/wait-queue.ts', 'if (!notifications.isOpen) return undefined;', ''],
      ['wire/operation.ts', 'isHeard && waiter !== undefined ? waiter', 'waiter !== undefined ? waiter'],
      [
        'wire/operation.ts',
        'if (isPlain && (waiter === undefined || !isHeard)) return',
        'if (isPlain && waiter === undefined) return',
      ],
    ],
  },
  {
    name: 'callers of a process wait in their order',
    code: [['waiting/wait-queue.ts', 'this.#waiters.push(waiter);', 'this.#waiters.splice(1, 0, waiter);']],
  },
  {
    name: 'a waiter that leaves is taken out of the queues',
    code: [
      [
        'waiting/notifications.ts',
        'if (this.#nodes.size > 0) leave(this.member, this.#nodes);',
        'if (this.#nodes.size > 99) leave(this.member, this.#nodes);',
      ],
    ],
  },
  {
    name: 'a waiter keeps the score of its first attempt',
    code: [
      ['waiting/wait-queue.ts', 'waiter.score ??= quorum', 'waiter.score = quorum'],
      [
        'waiting/wait-queue.ts',
        'quorum.timeUs(waiter.calledAt.uptime)',
        'quorum.timeUs(this.#deps.clock.uptime())',
      ],
    ],
  },
  {
    name: 'without a notification a waiter wakes when the keys of the holder have expired',
    code: [
      [
        'waiting/wait-queue.ts',
        'return Math.min(untilExpiryMs, untilRecheckMs * (this.#isSemaphore ? PERMIT_RECHECK : 1));',
        'return untilRecheckMs * (this.#isSemaphore ? PERMIT_RECHECK : 1) + 0 * untilExpiryMs;',
      ],
    ],
  },
  {
    name: 'a notification that is lost costs only time',
    code: [
      [
        'waiting/wait-queue.ts',
        'return Math.min(untilExpiryMs, untilRecheckMs *',
        'return Math.max(untilExpiryMs, untilRecheckMs *',
      ],
    ],
  },
  {
    name: 'a quarantine lasts for the longest ttl',
    code: [
      [
        'membership/quarantine.ts',
        'longestTtl * (1 + driftFactor) + 2',
        '0 * longestTtl * (1 + driftFactor) + 2',
      ],
    ],
  },
  {
    name: 'a quarantine lasts until the TIME of the node is past every token that it gave',
    code: [['membership/quarantine.ts', ' + 2 * CLAMP_MS + MARGIN_MS', ' + 0 * CLAMP_MS + MARGIN_MS']],
  },
  {
    name: 'a quarantine counts on a clock that does not jump',
    code: [
      ['membership/membership.ts', 'const nowMs = clock.monotonic();', 'const nowMs = clock.wall();'],
      [
        'membership/membership.ts',
        'reasonToWait(untilMs - clock.monotonic()',
        'reasonToWait(untilMs - clock.wall()',
      ],
    ],
  },
  {
    name: 'a quarantine ends only for the memory that it began with',
    code: [
      [
        'membership/membership.ts',
        'nonce !== undefined && nonce === waitedFor?.nonce',
        'nonce !== undefined',
      ],
    ],
  },
  {
    name: 'a quarantine is as long as the ttls of all programs ask for',
    code: [
      [
        'membership/membership.ts',
        'return Math.max(this.#settings.maxTtl, ...this.#members.map(({ longestTtl }) => longestTtl));',
        'return this.#settings.maxTtl;',
      ],
    ],
  },
  {
    name: 'a quarantine ends only after a look for programs with longer ttls',
    code: [
      [
        'membership/membership.ts',
        'const isOver = isUnchanged && this.#longestTtl <= waitedForTtl;',
        'const isOver = isUnchanged && waitedForTtl > 0;',
      ],
    ],
  },
  {
    name: 'the marker knows of the longest ttl in use',
    code: [
      ['membership/membership.ts', 'if (marker.maxTtl >= maxTtl) then();', 'if (marker.maxTtl > 0) then();'],
    ],
  },
  {
    name: 'a deployment is new only where every node has answered',
    code: [
      ['membership/membership.ts', 'if (!someRemember && silent.length === 0) {', 'if (!someRemember) {'],
    ],
  },
  {
    name: 'a deployment is new only where no node has a marker',
    code: [
      [
        'membership/membership.ts',
        'if (!someRemember && silent.length === 0) {',
        'if (silent.length === 0) {',
      ],
    ],
  },
  {
    name: "a new deployment is started only while all nodes carry this client's claim",
    code: [
      [
        'membership/claim.ts',
        'return seen.every(({ marker, handshake }) => handshake.marker === marker) ? seen : undefined;',
        'return seen;',
      ],
    ],
  },
  {
    name: "'strict' waits even where the deployment is new",
    code: [
      [
        'membership/membership.ts',
        "else if (isFresh(handshake) && this.#settings.quarantine === 'auto') void",
        'else if (isFresh(handshake)) void',
      ],
      [
        'membership/membership.ts',
        "if (this.#closed || this.#settings.quarantine !== 'auto') return;",
        'if (this.#closed) return;',
      ],
    ],
  },
  {
    name: 'a replica is no node',
    code: [
      [
        'membership/eligibility.ts',
        "if (role === 'master' || role === '') return undefined;",
        "if (role !== '-') return undefined;",
      ],
    ],
  },
  {
    name: 'a server that does not tell its run_id is no node',
    code: [
      [
        'membership/eligibility.ts',
        "if (runId !== '') return undefined;",
        "if (runId !== '-') return undefined;",
      ],
    ],
  },
  {
    name: 'a server under two addresses votes once',
    code: [
      [
        'membership/eligibility.ts',
        "return runId === '' ? undefined :",
        "return runId !== '-' ? undefined :",
      ],
    ],
  },
  {
    name: 'a node of a list of another length is refused',
    code: [
      [
        'membership/eligibility.ts',
        '|| marker.nodeCount === nodeCount) return undefined;',
        '|| marker.nodeCount > 0) return undefined;',
      ],
    ],
  },
  {
    name: 'the operations on one key keep their order in a call',
    code: [
      [
        'wire/batch.ts',
        'if (isPlainRelease(operation) && !touched.has(keyOf(operation))) {',
        'if (isPlainRelease(operation)) {',
      ],
    ],
  },
  {
    name: 'an adoption raises the counters, so that no late extension of the giver counts',
    code: [['lock/attempts.ts', 'handed.counter === 0 ? 0 : handed.counter + 1', 'handed.counter']],
  },
  {
    name: 'an adoption gives the keys a value of its own',
    code: [
      [
        'lock/attempts.ts',
        'const value = values.next();\n    const counter',
        'const value = handed.value || values.next();\n    const counter',
      ],
    ],
  },
  {
    name: 'a lock that was not handed over is not adopted',
    code: [
      ['redlock/adoption.ts', 'if (given.isHandedOver !== true) {', "if (given.isHandedOver === 'never') {"],
    ],
  },
  {
    name: 'a lock that was handed over is not released by the process that had it',
    code: [['lock/lock.ts', '    this.#release = GIVEN_AWAY;\n', '']],
  },
  {
    name: 'close() of the process that had it leaves a lock alone that was handed over',
    code: [['lock/lease.ts', '    this.#released = GIVEN_AWAY;\n', '']],
  },
  {
    name: 'the time until a first connection counts to waitTime',
    code: [
      [
        'redlock/acquirer.ts',
        'await this.connected(signal, waitTime || Number.POSITIVE_INFINITY);',
        'await this.connected(signal);',
      ],
    ],
  },
  {
    name: 'a wait whose last attempt had too little time ends for the holder’s sake',
    code: [
      [
        'waiting/wait-queue.ts',
        'if (isOver && isCutShort && !isSpent)',
        'if (isOver && isCutShort && isSpent)',
      ],
    ],
  },
  {
    name: 'a node whose clock is wrong is not looked at again in no time',
    code: [['membership/node-states.ts', 'Math.max(1, ms)', 'ms']],
  },
  {
    name: 'an operation that was given up is not sent again by source',
    code: [['node/batcher.ts', '!replied && !this.#isBeingReleased', '!this.#isBeingReleased']],
  },
  {
    name: 'an acquire is not sent again by source after its release',
    code: [['node/batcher.ts', '!replied && !this.#isBeingReleased(operation)', '!replied']],
  },
  {
    name: 'an acquire that is sent again by source is granted until its first deadline',
    code: [
      [
        'node/batcher.ts',
        'this.#call(wanted, this.#clock.uptime(), call)',
        'this.#call(wanted, wanted[0]?.tick.atMs ?? 0, call)',
      ],
    ],
  },
  {
    name: 'a process that was stopped reads what a node has answered before the node counts as late',
    code: [['node/batcher.ts', 'this.#looksAgain = isLate && !this.#looksAgain;', 'void isLate;']],
  },
  {
    name: 'a process that is stopped again and again finds a node late all the same',
    code: [['node/batcher.ts', 'isLate && !this.#looksAgain;', 'isLate;']],
  },
  {
    name: 'a look from before a change does not undo what is known of a node since',
    code: [
      [
        'membership/membership.ts',
        'if (this.#closed || isOlder(handshake, member.handshake)) return;',
        'if (this.#closed) return;',
      ],
    ],
  },
  {
    name: 'a waiter asks soon after its subscription was lost and made again',
    code: [
      [
        'waiting/notifications.ts',
        'if (wasBetter) for (const',
        'if (wasBetter && this.#opening !== undefined) for (const',
      ],
    ],
  },
  {
    name: 'a waiter asks soon after its subscription was lost and made again during its attempt',
    code: [['waiting/wait-queue.ts', 'if (this.#hasMissed) return afterSilenceMs(random);', '']],
  },
  {
    name: 'a lock that comes to a Redlock that was closed meanwhile is released',
    code: [
      ['waiting/wait-queues.ts', '      void lease.releaseOnNodes();\n', ''],
      ['waiting/wait-queues.ts', '        releaseLate(attempt);\n', ''],
    ],
  },
  {
    name: 'a client that was closed does not connect again',
    code: [['wire/clients/ioredis.ts', 'if (!isStopped) timer =', 'timer =']],
  },
  {
    name: 'only a write lock of the resource itself is downgraded',
    code: [
      [
        'redlock/read-write.ts',
        'target?.keys.length === 1 && target.keys[0] === this.#writing.target.keys[0]',
        'target !== undefined',
      ],
    ],
  },
];

/** The rules of the protocol, and what stands in the place of each where it is taken out. */
export const RULES: readonly Change[] = [...NODES, ...CLIENTS];
