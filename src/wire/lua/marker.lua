-- Looks at the server and, if asked to, writes its marker. Run once a connection, and while a node joins.
--
-- KEYS[1]   the node's marker
-- KEYS[2]   and on: keys like those of a lock, to try out what locks need. A lock key, its queue, its sharers and, if
--           locks are fenced, its fence counter. None: nothing is tried out
-- ARGV[1]   the marker to write; empty = only look
-- ARGV[2]   the run_id that the caller saw
-- ARGV[3]   the marker that the caller saw; empty = none
-- ARGV[4]   deadline: microseconds of this node's TIME after which nothing is written
--
-- {TIME in microseconds, run_id, role, marker or '', written, maxmemory, maxmemory_policy, redis_mode, version, lacks}
-- The marker is the one after the call. `written` is 1 only if the process and the marker were the ones that the caller
-- saw, and the deadline had not passed. So a caller that slept in between changes nothing.
-- Valkey may call redis_mode server_mode. `version` is redis_version, or `valkey ` and valkey_version.
-- `lacks` is {command, error, command, error, …}: the commands that failed, and their errors.
-- A run_id, role, redis_mode or version that the server does not tell is empty.

local lacks = {}

local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local failure = type(reply) == 'table' and reply.err
  if not failure then return reply end
  lacks[#lacks + 1] = command
  lacks[#lacks + 1] = failure
end

local clock = try('TIME')
local now = clock and clock[1] * 1000000 + clock[2] or 0

local function info(section)
  local text = try('INFO', section) or ''
  return function(field)
    return string.match(text, '\n' .. field .. ':([^\r\n]*)') or ''
  end
end

-- Commands that do nothing, since none of these keys exists. A server refuses them all the same if it has no such
-- command, does not know the option, or forbids it to this user.
local function try_out(lock, queue, sharers, fence)
  if try('EXISTS', unpack(KEYS, 2)) ~= 0 then return end
  try('GET', lock)
  try('MGET', lock)
  try('TYPE', lock)
  try('PTTL', lock)
  try('SET', lock, '', 'PX', 1, 'XX')
  if fence then try('SET', fence, '', 'PX', 1, 'XX', 'GET') end
  try('PEXPIRE', lock, 1)
  try('PEXPIREAT', lock, 1)
  try('DEL', lock)
  try('ZADD', queue, 'XX', 0, '')
  try('ZRANGE', queue, 0, 0)
  try('ZRANK', queue, '')
  try('ZCARD', queue)
  try('ZPOPMIN', queue)
  try('ZREM', queue, '')
  try('ZSCORE', sharers, '')
  try('ZREMRANGEBYSCORE', sharers, 0, 0)
  try('PUBLISH', 'quorlock:wake:', '')
  -- Commands that no script may call. Redis 7 can be asked about them.
  if not redis.acl_check_cmd then return end
  for _, command in ipairs({ { 'EVAL', '', 0 }, { 'SUBSCRIBE', 'quorlock:wake:' } }) do
    local ok, may = pcall(redis.acl_check_cmd, unpack(command))
    if not ok or not may then
      lacks[#lacks + 1] = command[1]
      lacks[#lacks + 1] = ok and 'NOPERM' or 'unknown command'
    end
  end
end

local server, replication, memory = info('server'), info('replication'), info('memory')
if KEYS[2] then try_out(unpack(KEYS, 2)) end

local run_id = server('run_id')
local marker = redis.pcall('GET', KEYS[1]) or ''
if type(marker) == 'table' then
  -- `lacks` says more.
  if not string.find(marker.err, 'WRONGTYPE', 1, true) and not lacks[1] then return marker end
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
  replication('role'),
  marker,
  written,
  memory('maxmemory'),
  memory('maxmemory_policy'),
  server('%a+_mode'),
  server('valkey_version') ~= '' and 'valkey ' .. server('valkey_version') or server('redis_version'),
  lacks,
}
