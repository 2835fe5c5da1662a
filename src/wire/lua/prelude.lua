-- The start of the batch script: what every operation of one call shares.
--
-- One call carries any number of operations, so that the time, the deadline and the node's marker are read once.
-- scripts.ts joins prelude, the files of the operations, and batch.lua into one script.
--
-- KEYS[1]   the node's marker, only if ARGV[2] is not empty; the operations' keys follow
-- ARGV[1]   deadline: microseconds of this node's TIME after which nothing may be granted any more; empty = nothing of
--           the call depends on the time
-- ARGV[2]   N, the number of nodes the caller's quorum has; empty = this node votes without a marker
-- ARGV[3]   maxTtl: milliseconds, the longest ttl that the caller uses
-- ARGV[4]   beta: microseconds a proposed token may be away from this node's TIME
-- ARGV[5]   milliseconds a fence counter outlives its last use
-- ARGV[6]   milliseconds a free key is kept for a waiter who has been called
-- ARGV[7..] the operations, see batch.lua

local now, info = 0, nil
if ARGV[1] ~= '' then
  -- A call that looks at the process's run_id has its time there as well, but for Redis before 6.2.
  if ARGV[2] ~= '' then
    info = redis.call('INFO', 'server')
    now = tonumber(string.match(info, 'server_time_usec:(%d+)') or 0)
  end
  if now == 0 then
    local clock = redis.call('TIME')
    now = clock[1] * 1000000 + clock[2]
  end
end
local beta = tonumber(ARGV[4])
local retention = ARGV[5]
local grace = ARGV[6]
local late = ARGV[1] ~= '' and now > tonumber(ARGV[1])

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
        and string.find(info, 'run_id:' .. run_id .. '\r', 1, true) ~= nil
    end
  end
  return may_vote
end

-- Replies of an operation; wire/operation.ts has the same table.
local GRANTED, HELD, MISSING, FOREIGN, SUPERSEDED, LATE, QUARANTINED, FAILED, QUEUE = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- The proposed token, kept within beta of this node's TIME on both sides: a client whose idea of the time is
-- wrong can neither push a counter into the future nor fall behind tokens of a counter that has expired.
local function clamp(proposal)
  return math.min(math.max(proposal, now - beta), now + beta)
end
