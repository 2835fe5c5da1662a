-- INSPECT: the owner of one lock, as this node sees it. Writes nothing.
--
-- keys      one lock key; if fenced, its fence counter
-- value     unused
-- ttl       unused
-- number    fenced: any number; plain: empty
--
-- {HELD, remaining, value, c}   held for that many milliseconds; c is the counter, 0 if unknown
-- {MISSING, c}                  it has no owner here
-- {QUARANTINED}                 the same, as far as this node can remember
-- {FOREIGN, type}               the key is not a lock
-- {FAILED, message}             a command failed

local function inspect(first, _, _, _, number)
  local owner, foreign = owner_of(KEYS[first])
  if foreign then return foreign end
  local counter = number ~= '' and counter_of(KEYS[first + 1]) or 0
  if owner == nil then return votes and { MISSING, counter } or { QUARANTINED } end
  local reply = refusal(KEYS[first], owner)
  if reply[1] == HELD then return { HELD, reply[2], owner, counter } end
  return reply
end
