-- How many slots of a semaphore are worth a look: one more than the number of the last one that is taken. Writes nothing.
--
-- KEYS[1]  the semaphore's slot 0; the keys of the others differ in the number alone
-- ARGV[1]  how many slots a semaphore may have
--
-- The number; 0 if none is taken

local before, after = string.match(KEYS[1], '^(quorlock:slot:)0(:.*)$')
local slots = {}
for i = 1, tonumber(ARGV[1]) do slots[i] = before .. (i - 1) .. after end
local owners = redis.call('MGET', unpack(slots))
for i = #slots, 1, -1 do
  if owners[i] then return i end
end
return 0
