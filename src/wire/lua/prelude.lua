-- The start of the batch script: what every operation of one call shares.
--
-- One call carries any number of operations, so that the time, the deadline and the node's marker are read once.
--
-- KEYS[1]   the node's marker, only if ARGV[2] is not empty; the operations' keys follow
-- ARGV[1]   deadline: microseconds of this node's TIME after which nothing may be granted any more; empty = nothing of
--           the call depends on the time
-- ARGV[2]   N, the number of nodes the caller's quorum has; empty = this node votes without a marker
-- ARGV[3]   maxTtl: milliseconds, the longest ttl that the caller uses
-- ARGV[4]   beta: microseconds a proposed token may be away from this node's TIME
-- ARGV[5]   milliseconds a fence counter outlives its last use
-- ARGV[6]   milliseconds a free key is reserved for a notified waiter
-- ARGV[7]   how many tokens an acquire takes: a block, of which the counter it answers is the highest
-- ARGV[8..] the operations, see batch.lua

local now, info = 0, nil
if ARGV[1] ~= '' then
  -- INFO, which tells the run_id, tells the time as well, except before Redis 6.2.
  if ARGV[2] ~= '' then
    info = redis.call('INFO', 'server')
    local _, colon = string.find(info, 'server_time_usec:', 1, true)
    now = colon and tonumber(string.match(info, '^%d+', colon + 1)) or 0
  end
  if now == 0 then
    local clock = redis.call('TIME')
    now = clock[1] * 1000000 + clock[2]
  end
end
local beta = tonumber(ARGV[4])
local retention = tonumber(ARGV[5])
local grace = ARGV[6]
local block = tonumber(ARGV[7])
-- Counters are made of these two. A block has to fit between the limit of counters and what a double holds exactly.
if not (beta >= 0 and beta <= 1e12 and block >= 1 and block <= 100 and (beta + block) % 1 == 0) then
  return redis.error_reply('ERR not a beta and a block: ' .. ARGV[4] .. ' ' .. ARGV[7])
end
local late = ARGV[1] ~= '' and now > tonumber(ARGV[1])

-- Does the marker let this node vote? It must be active, of the running process, of a quorum of the caller's size, and
-- know of ttls as long as the caller's.
local votes = ARGV[2] == ''
if info then
  local marker = redis.pcall('GET', KEYS[1])
  local run_id, nodes, max_ttl =
    string.match(type(marker) == 'string' and marker or '', '^active (%x+) %S+ (%d+) (%d+)$')
  votes = nodes == ARGV[2]
    and tonumber(max_ttl) >= tonumber(ARGV[3])
    and string.find(info, 'run_id:' .. run_id .. '\r', 1, true) ~= nil
end

-- Replies of an operation; wire/answer.ts has the same table.
local GRANTED, HELD, MISSING, FOREIGN, SUPERSEDED, LATE, QUARANTINED, FAILED, QUEUE = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- The value of a key that has no owner and is reserved for a waiter begins with it; see queue.lua.
local RESERVED = '~'

-- The channel of a process, without its name.
local WAKE = 'quorlock:wake:'

-- Fence counters are below this: 2^53, and room for drivers that add up digits.
local COUNTER_LIMIT = 9007199254740000

-- A hand-over pops at most so many waiters whose processes do not hear it; the next one goes on.
local MOST_DEAF = 64
