-- The end of the batch script: does the operations in order and answers
-- {TIME in microseconds, reply of the first operation, reply of the second, …}.
--
-- ARGV, five an operation from the sixth on:
--   name     acquire | confirm | extend | release | inspect
--   n        how many lock keys it has
--   value    the lock value
--   ttl      milliseconds
--   number   fenced: a token, and n fence counters follow the lock keys; plain: empty. Release has no counters.

local operations = {
  acquire = acquire,
  confirm = confirm,
  extend = extend,
  release = release,
  inspect = inspect,
}

local replies = { now }
local key = ARGV[2] == '' and 1 or 2
for i = 6, #ARGV, 5 do
  local n = tonumber(ARGV[i + 1])
  local number = ARGV[i + 4]
  -- One operation that fails must not take the others of this call with it.
  local ok, reply = pcall(operations[ARGV[i]], key, n, ARGV[i + 2], ARGV[i + 3], number)
  replies[#replies + 1] = ok and reply or { FAILED, error_of(reply) or tostring(reply) }
  key = key + (number ~= '' and 2 * n or n)
end
return replies
