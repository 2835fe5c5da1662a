-- The start of the batch script: what every operation of one call shares.
--
-- One call carries any number of operations, so that the time, the deadline and the node's marker are read once.
--
-- KEYS[1]    the node's marker, if the caller's quorum has one and the call depends on the time; the operations' keys
--            follow
-- ARGV[1]    what the caller's quorum has, six numbers with a blank between two of them:
--   N          the number of its nodes; nothing: this node votes without a marker
--   maxTtl     milliseconds, the longest ttl that the caller uses
--   beta       microseconds a proposed token may be away from this node's TIME
--   retention  milliseconds a fence counter outlives its last use
--   grace      milliseconds a free key is reserved for a notified waiter
--   block      how many tokens an acquire takes; the counter it answers is the highest of them
-- ARGV[2]    deadline: microseconds of this node's TIME after which nothing may be granted any more; empty = nothing of
--            the call depends on the time
-- ARGV[3..]  the operations, see batch.lua

local quorum, deadline = ARGV[1], ARGV[2]

-- Where the next operation's keys and arguments begin.
local key, i = 1, 3

-- A plain release that is not alone in its call is one of `releases`.
local first, n, value = unpack(ARGV, i)

-- A release of a key that is still the caller's and has no waiter, as nearly all are.
if first == 'release' and n == '1' and deadline == '' and redis.pcall('EXISTS', KEYS[key + 1]) == 0 then
  local lock = KEYS[key]
  if redis.pcall('GET', lock) == value and redis.pcall('DEL', lock) == 1 then return { 0, 1 } end
end

local node_count, max_ttl, beta, retention, grace, block =
  string.match(quorum, '^(%d*) (%d+) (%d+) (%d+) (%d+) (%d+)$')
max_ttl, beta, retention, block = tonumber(max_ttl), tonumber(beta), tonumber(retention), tonumber(block)
-- Counters are made of these two. A block has to fit between the limit of counters and what a double holds exactly.
if not (block and beta <= 1e12 and block >= 1 and block <= 100) then
  return redis.error_reply('ERR not what a quorum has: ' .. quorum)
end

local now, info = 0, nil
if deadline ~= '' then
  -- INFO, which tells the run_id, tells the time as well, except before Redis 6.2.
  if node_count ~= '' then
    key = 2
    info = redis.call('INFO', 'server')
    local _, colon = string.find(info, 'server_time_usec:', 1, true)
    now = colon and tonumber(string.match(info, '^%d+', colon + 1)) or 0
  end
  if now == 0 then
    local clock = redis.call('TIME')
    now = clock[1] * 1000000 + clock[2]
  end
end
local late = deadline ~= '' and now > tonumber(deadline)

-- Does the marker let this node vote? It must be active, of the running process, of a quorum of the caller's size, and
-- know of ttls as long as the caller's.
local votes = node_count == ''
if info then
  local marker = redis.pcall('GET', KEYS[1])
  local run_id, nodes, longest =
    string.match(type(marker) == 'string' and marker or '', '^active (%x+) %S+ (%d+) (%d+)$')
  votes = nodes == node_count
    and tonumber(longest) >= max_ttl
    and string.find(info, 'run_id:' .. run_id .. '\r', 1, true) ~= nil
end

-- Replies of an operation; wire/operation.ts has the same table.
local GRANTED, HELD, MISSING, FOREIGN, SUPERSEDED, LATE, QUARANTINED, FAILED, QUEUE, BEHIND = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

-- The value of a key that has no owner and is reserved for a waiter begins with it; see queue.lua.
local RESERVED = '~'

-- The channel of a process, without its name.
local WAKE = 'quorlock:wake:'

-- Fence counters are below this: 2^53, and room for drivers that add up digits.
local COUNTER_LIMIT = 9007199254740000

-- The most waiters that a hand-over pops because their processes do not hear it; the next hand-over goes on.
local MOST_DEAF = 1000
