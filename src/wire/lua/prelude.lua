-- The start of the batch script: what every operation of one call shares.
--
-- One call carries any number of operations, so that TIME, the deadline and the node's marker are read once.
-- scripts.ts joins prelude, the files of the operations, and batch.lua into one script.
--
-- KEYS[1]   the node's marker, only if ARGV[2] is not empty; the operations' keys follow
-- ARGV[1]   deadline: microseconds of this node's TIME after which nothing may be granted any more
-- ARGV[2]   N, the number of nodes the caller's quorum has; empty = this node votes without a marker
-- ARGV[3]   maxTtl: milliseconds, the longest ttl that the caller uses
-- ARGV[4]   beta: microseconds a proposed token may be away from this node's TIME
-- ARGV[5]   milliseconds a fence counter outlives its last use
-- ARGV[6]   milliseconds a free key is kept for a waiter who has been called
-- ARGV[7..] the operations, see batch.lua

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local beta = tonumber(ARGV[4])
local retention = ARGV[5]
local grace = ARGV[6]
local late = now > tonumber(ARGV[1])

-- Numbers are doubles here, and tostring() keeps only 14 digits of them.
local function digits(number)
  return string.format('%.0f', number)
end

local function error_of(reply)
  return type(reply) == 'table' and reply.err or nil
end

-- Does the marker let this node vote? It must be active, of the process that is running now, of a quorum of the
-- caller's size, and know of ttls as long as the caller's. Evaluated once a call, and only if an operation asks.
local may_vote
local function voting()
  if may_vote == nil then
    if ARGV[2] == '' then
      may_vote = true
    else
      local marker = redis.pcall('GET', KEYS[1])
      local run_id, nodes, max_ttl =
        string.match(type(marker) == 'string' and marker or '', '^active (%x+) %S+ (%d+) (%d+)$')
      may_vote = nodes == ARGV[2]
        and tonumber(max_ttl) >= tonumber(ARGV[3])
        and string.find(redis.call('INFO', 'server'), 'run_id:' .. run_id .. '\r', 1, true) ~= nil
    end
  end
  return may_vote
end

-- Replies of an operation; wire/operation.ts has the same table.
local GRANTED, HELD, MISSING, FOREIGN, SUPERSEDED, LATE, QUARANTINED, FAILED, QUEUE = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- Who owns the lock key: nothing at all, or one value. Second result: the reply that refuses to go on, because
-- the key is no lock.
local function owner_of(key)
  local owner = redis.pcall('GET', key)
  local failure = error_of(owner)
  if not failure then return owner or nil end
  if string.find(failure, 'WRONGTYPE', 1, true) then
    return nil, { FOREIGN, redis.call('TYPE', key).ok }
  end
  return nil, { FAILED, failure }
end

-- The reply for a key that somebody else owns. A key without expiry never was a lock.
local function refusal(key)
  local remaining = redis.call('PTTL', key)
  if remaining == -1 then
    return { FOREIGN, 'string without expiry' }
  end
  return { HELD, remaining }
end

-- Makes all fence counters of a lock the same; they follow its n lock keys.
local function set_counters(first, n, token)
  for i = first + n, first + 2 * n - 1 do
    redis.call('SET', KEYS[i], digits(token), 'PX', retention)
  end
end

-- The proposed token, kept within beta of this node's TIME on both sides: a client whose idea of the time is
-- wrong can neither push a counter into the future nor fall behind tokens of a counter that has expired.
local function clamp(proposal)
  return math.min(math.max(proposal, now - beta), now + beta)
end
