-- What operations share that are not alone in their call, or out of the ordinary.

-- Numbers are doubles here, and tostring() keeps only 14 digits of them.
local function digits(number)
  return string.format('%.0f', number)
end

local function error_of(reply)
  return type(reply) == 'table' and reply.err or nil
end

-- The proposed token, kept within beta of this node's TIME on both sides: a client whose idea of the time is
-- wrong can neither push a counter into the future nor fall behind tokens of a counter that has expired.
local function clamp(proposal)
  return math.min(math.max(proposal, now - beta), now + beta)
end
