-- What operations share that are not alone in their call, or out of the ordinary.

-- Numbers are doubles here, and tostring() keeps only 14 digits of them.
local function digits(number)
  return string.format('%.0f', number)
end

local function error_of(reply)
  return type(reply) == 'table' and reply.err or nil
end

-- Does the marker let this node vote? It must be active, of the process that is running now, of a quorum of the
-- caller's size, and know of ttls as long as the caller's. Evaluated once a call, and only if an operation asks.
local may_vote
local function voting()
  if may_vote == nil then
    if ARGV[2] == '' then
      may_vote = true
    else
      local marker = redis.pcall('GET', KEYS[1])
      local run_id, nodes, max_ttl =
        string.match(type(marker) == 'string' and marker or '', '^active (%x+) %S+ (%d+) (%d+)$')
      may_vote = nodes == ARGV[2]
        and tonumber(max_ttl) >= tonumber(ARGV[3])
        and string.find(info, 'run_id:' .. run_id .. '\r', 1, true) ~= nil
    end
  end
  return may_vote
end

-- Replies of an operation; wire/operation.ts has the same table.
local GRANTED, HELD, MISSING, FOREIGN, SUPERSEDED, LATE, QUARANTINED, FAILED, QUEUE = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- The proposed token, kept within beta of this node's TIME on both sides: a client whose idea of the time is
-- wrong can neither push a counter into the future nor fall behind tokens of a counter that has expired.
local function clamp(proposal)
  return math.min(math.max(proposal, now - beta), now + beta)
end
