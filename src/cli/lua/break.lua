-- Breaks a lock on one node: its holder's extensions and confirmations are refused from now on, and the key is free.
--
-- KEYS[1]  the lock's key
-- KEYS[2]  its fence counter
-- KEYS[3]  the set of its sharers
-- ARGV[1]  the value that is to be broken: that of a holder, or `&` for all sharers
-- ARGV[2]  a token that is above every one that the holder may have
-- ARGV[3]  for how many milliseconds the counter is kept at the least
--
-- {'broken', token}   it was that value's, or no value's: no value at or below the token owns it, or takes it again
-- {'other', value}    another value owns it by now; nothing was changed
--
-- The order matters: a holder whose key is gone may extend it as long as the counter is not above its token.

local owner = redis.pcall('GET', KEYS[1])
if type(owner) == 'table' then return { 'other', 'something that is not a lock' } end
local is_reserved = owner and string.sub(owner, 1, 1) == '~'
if owner and owner ~= ARGV[1] and not is_reserved then return { 'other', owner } end

local floor = tonumber(ARGV[2])
local counter = redis.pcall('GET', KEYS[2])
counter = type(counter) == 'string' and string.find(counter, '^%d+$') and tonumber(counter) or 0
local lifetime = math.max(tonumber(ARGV[3]), redis.call('PTTL', KEYS[2]))
redis.call('SET', KEYS[2], string.format('%.0f', math.max(counter, floor)), 'PX', lifetime)
if owner == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[1] == '&' then redis.call('DEL', KEYS[3]) end
return { 'broken', string.format('%.0f', math.max(counter, floor)) }
