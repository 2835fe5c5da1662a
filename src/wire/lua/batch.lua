-- The end of the batch script: does the operations in order and answers
-- {TIME in microseconds, reply of the first operation, reply of the second, …}.
--
-- ARGV, five an operation from the seventh on, and eight for contend:
--   name     acquire | contend | confirm | extend | release | inspect | enter | leave | waiting
--   n        how many lock keys it has
--   value    the lock value
--   ttl      milliseconds
--   number   fenced: a token, and n fence counters follow the lock keys; plain: empty
-- The queues of the keys follow, for those operations that have to do with waiting.

-- The function of the operation before: most calls have many of one kind.
local known, run

local replies = { now }
local key = ARGV[2] == '' and 1 or 2
local i = 7
while i <= #ARGV do
  local name = ARGV[i]
  local n = tonumber(ARGV[i + 1])
  local number = ARGV[i + 4]
  if name ~= known or n ~= 1 then
    known, run = n == 1 and name, operation(name, n)
  end
  -- One operation that fails must not take the others of this call with it.
  local ok, reply
  if name == 'contend' then
    ok, reply = pcall(run, key, n, ARGV[i + 2], ARGV[i + 3], number, ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
  else
    ok, reply = pcall(run, key, n, ARGV[i + 2], ARGV[i + 3], number)
  end
  replies[#replies + 1] = ok and reply or { FAILED, error_of(reply) or tostring(reply) }
  local groups = (number == '' and 1 or 2) + ((name == 'extend' or name == 'confirm' or name == 'inspect') and 0 or 1)
  key = key + n * groups
  i = i + (name == 'contend' and 8 or 5)
end
return replies
