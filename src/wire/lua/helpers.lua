-- What operations share that take no fast path.

-- Numbers are doubles here, and tostring() keeps only 14 digits of them.
local function digits(number)
  return string.format('%.0f', number)
end

local function error_of(reply)
  return type(reply) == 'table' and reply.err or nil
end
