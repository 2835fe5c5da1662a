-- Touches one key of a protected store, unless a higher fencing token was registered for it.
--
-- KEYS[1]  the key with the data
-- KEYS[2]  its fence key, in the same slot: the highest token registered, in decimal
-- ARGV[1]  what to do: register | read | write | delete
-- ARGV[2]  the token, in decimal, 1 .. 2^53 - 1
-- ARGV[3]  how long the fence key is kept from now on, in ms; 0: for ever
-- ARGV[4]  write only: the value
-- ARGV[5]  write only: how long the value is kept, in ms; 0: for ever
--
-- Replies, one of:
--   {'own'}             the key is a fence key, as this server sees it; nothing was changed
--   {'stale', highest}  a higher token was registered, in decimal; nothing was changed
--   {'ok'}              register, write: done
--   {'ok', value}       read: the value, nil when there is none
--   {'ok', count}       delete: 1 when there was a value, else 0
--
-- An error: the fence key does not hold a token, no token was given, or read met something other than a string.

-- A client may put a prefix before all keys, so that only the server sees the whole name.
if string.find(KEYS[1], 'quorlock:guard:', 1, true) then
  return { 'own' }
end

-- A whole number that a double holds exactly. tonumber() takes "nan", "inf" and "0x10" too, and no token is lower than
-- a NaN.
local function token_of(text)
  local token = type(text) == 'string' and string.find(text, '^[1-9]%d*$') and tonumber(text)
  return token and token <= 9007199254740991 and token or nil
end

local operation, token, retention = ARGV[1], token_of(ARGV[2]), tonumber(ARGV[3])
if not token then return redis.error_reply('ERR not a token: ' .. ARGV[2]) end

local seen = redis.pcall('GET', KEYS[2])
if seen then
  local highest = token_of(seen)
  -- Taken for forgotten, it would let a stale holder write.
  if not highest then
    return redis.error_reply('ERR the fence key ' .. string.sub(KEYS[2], 1, 100) .. ' does not hold a token')
  end
  if token < highest then
    -- A double holds every token exactly, but .. and tostring() would round it to 14 digits.
    return { 'stale', string.format('%.0f', highest) }
  end
end

if retention == 0 then
  redis.call('SET', KEYS[2], ARGV[2])
else
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end

if operation == 'read' then
  return { 'ok', redis.call('GET', KEYS[1]) }
elseif operation == 'write' then
  if ARGV[5] == '0' then
    redis.call('SET', KEYS[1], ARGV[4])
  else
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
  end
elseif operation == 'delete' then
  return { 'ok', redis.call('DEL', KEYS[1]) }
end
return { 'ok' }
