-- Runs: what most calls are about, many of one kind at once, in as few calls of the server as there can be.
--
-- ACQUIRES  as so many ACQUIREs, of one key each, one after the other
-- RELEASES  as so many RELEASEs, of one key each and no key twice
--
-- keys      all lock keys; if fenced, all fence counters; all queues
-- ttl       ACQUIRES: milliseconds, of all of them; RELEASES: unused
-- fenced    ACQUIRES: not empty = fenced; RELEASES: unused
-- then, for each of them, its lock value; ACQUIRES, if fenced: and the proposed token
--
-- Replies as those of acquire.lua and release.lua, but for those that most get: what is granted answers the counter
-- alone, or 1 for a release that called nobody.

local replies = { now }

-- As the single operation, which knows about everything that can be in the way.
local function singly(name, ...)
  local ok, reply = pcall(operation(name, 1), ...)
  if not ok then return { FAILED, error_of(reply) or tostring(reply) } end
  if reply[1] == GRANTED and not reply[3] then return reply[2] end
  return reply
end

local function acquires(first, count, ttl, fenced, at)
  local votes = voting()
  local refused = late and LATE or not votes and QUARANTINED
  local distance = count
  local step = fenced == '' and 1 or 2
  local queues = first + step * distance
  local is_awaited = not refused and redis.pcall('EXISTS', unpack(KEYS, queues, queues + count - 1)) ~= 0
  for i = first, first + count - 1 do
    local value = ARGV[at]
    local number = step == 2 and ARGV[at + 1] or ''
    at = at + step
    local reply
    if refused then
      reply = { refused }
    else
      local set = not is_awaited and redis.pcall('SET', KEYS[i], value, 'NX', 'PX', ttl)
      if not set or set.err then
        reply = singly('acquire', i, distance, value, ttl, number)
      elseif step == 1 then
        reply = 0
      else
        local token = tonumber(number)
        if token < now - beta or token > now + beta then
          token = clamp(token)
          number = digits(token)
        end
        -- As raise_counter, which would write the number anew.
        local before = redis.pcall('SET', KEYS[i + distance], number, 'PX', retention, 'GET')
        local failure = error_of(before)
        before = not failure and tonumber(before or nil)
        if before and before >= token then
          token = before + 1
          failure = error_of(redis.pcall('SET', KEYS[i + distance], digits(token), 'PX', retention))
        end
        reply = token
        if failure then
          redis.pcall('DEL', KEYS[i])
          reply = { FAILED, failure }
        end
      end
    end
    replies[#replies + 1] = reply
  end
end

local function releases(first, count, at)
  local queues = first + count
  local is_awaited = redis.pcall('EXISTS', unpack(KEYS, queues, queues + count - 1)) ~= 0
  local owners = not is_awaited and redis.pcall('MGET', unpack(KEYS, first, first + count - 1))
  local done = #replies
  local mine = {}
  for j = 1, count do
    if owners and owners[j] == ARGV[at + j - 1] then mine[#mine + 1] = KEYS[first + j - 1] end
  end
  local deleted = #mine > 0 and redis.pcall('DEL', unpack(mine))
  local failure = deleted and error_of(deleted)
  for j = 1, count do
    if owners and owners[j] == ARGV[at + j - 1] then
      replies[done + j] = failure and { FAILED, failure } or 1
    else
      replies[done + j] = singly('release', first + j - 1, 1, ARGV[at + j - 1], '', '', count)
    end
  end
end
