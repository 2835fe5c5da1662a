-- Raises a fence counter above all it ever answered, at least to `floor`. One call in the ordinary case.
local function raise_counter(fence, floor)
  local reply = redis.pcall('SET', fence, digits(floor), 'PX', retention, 'GET')
  local failure = error_of(reply)
  if failure then
    return nil, failure
  end
  local before = tonumber(reply or nil)
  if before and before >= floor then
    floor = before + 1
    redis.call('SET', fence, digits(floor), 'PX', retention)
  end
  return floor
end
