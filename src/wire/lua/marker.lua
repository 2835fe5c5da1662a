-- Looks at the server and, if asked to, writes its marker. Run once a connection and while a node joins.
--
-- KEYS[1]   the node's marker
-- ARGV[1]   the marker to write; empty = only look
-- ARGV[2]   the run_id that the caller saw
-- ARGV[3]   the marker that the caller saw; empty = none
-- ARGV[4]   deadline: microseconds of this node's TIME after which nothing is written
--
-- {TIME in microseconds, run_id, role, marker or '', written, maxmemory, maxmemory_policy}
-- The marker is the one after the call. `written` is 1 only if the process and the marker were the ones that
-- the caller saw, and the deadline had not passed: a caller that slept in between changes nothing.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function info(section, field)
  return string.match(redis.call('INFO', section), '\n' .. field .. ':([^\r\n]*)') or ''
end

local run_id = info('server', 'run_id')
local marker = redis.pcall('GET', KEYS[1]) or ''
if type(marker) == 'table' then
  if not string.find(marker.err, 'WRONGTYPE', 1, true) then return marker end
  marker = 'not a string'
end
local written = 0
if ARGV[1] ~= '' and run_id == ARGV[2] and marker == ARGV[3] and now <= tonumber(ARGV[4]) then
  redis.call('SET', KEYS[1], ARGV[1])
  marker = ARGV[1]
  written = 1
end
return {
  now,
  run_id,
  info('replication', 'role'),
  marker,
  written,
  info('memory', 'maxmemory'),
  info('memory', 'maxmemory_policy'),
}
