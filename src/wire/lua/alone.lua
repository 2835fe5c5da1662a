-- A plain acquire or release that is alone in its call, see runs.lua, in the ordinary case: straight on, without making a
-- function. A server that is asked once in a while is cold, and what it does not come by costs nothing.
--
-- Whatever is out of the ordinary is left to what follows, as if nothing had been done, and nothing has.

if ARGV[8] == '1' and ARGV[7] == 'releases' and #ARGV == 11 then
  local at = ARGV[2] == '' and 1 or 2
  if redis.pcall('EXISTS', KEYS[at + 1]) == 0
    and redis.pcall('GET', KEYS[at]) == ARGV[11]
    and redis.pcall('DEL', KEYS[at]) == 1
  then
    return { now, 1 }
  end
elseif ARGV[8] == '1' and ARGV[7] == 'acquires' and #ARGV == 12 and not late then
  local at = 1
  local votes = ARGV[2] == ''
  if not votes then
    at = 2
    -- As voting() has it.
    local marker = redis.pcall('GET', KEYS[1])
    local run_id, nodes, max_ttl =
      string.match(type(marker) == 'string' and marker or '', '^active (%x+) %S+ (%d+) (%d+)$')
    votes = nodes == ARGV[2]
      and tonumber(max_ttl) >= tonumber(ARGV[3])
      and string.find(info, 'run_id:' .. run_id .. '\r', 1, true)
  end
  local token = tonumber(ARGV[12])
  if votes and token >= now - beta and token <= now + beta and redis.pcall('EXISTS', KEYS[at + 2]) == 0 then
    local set = redis.pcall('SET', KEYS[at], ARGV[11], 'NX', 'PX', ARGV[9])
    if set and not set.err then
      local before = redis.pcall('SET', KEYS[at + 1], ARGV[12], 'PX', retention, 'GET')
      if type(before) == 'table' then
        redis.call('DEL', KEYS[at])
      else
        before = tonumber(before or nil)
        if before and before >= token then
          token = before + 1
          redis.call('SET', KEYS[at + 1], string.format('%.0f', token), 'PX', retention)
        end
        return { now, token }
      end
    end
  end
end
