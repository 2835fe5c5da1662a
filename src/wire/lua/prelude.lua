-- The start of the batch script: what every operation of one call shares.
--
-- One call carries any number of operations, so that the time, the deadline and the node's marker are read once.
-- scripts.ts joins prelude, alone, helpers, the files of the operations, and batch.lua into one script.
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
    local _, colon = string.find(info, 'server_time_usec:', 1, true)
    now = colon and tonumber(string.match(info, '^%d+', colon + 1)) or 0
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
