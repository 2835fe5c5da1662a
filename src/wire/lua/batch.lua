-- The end of the batch script: does the operations in order and answers
-- {time in microseconds or 0, reply of the first operation, reply of the second, …}.
--
-- ARGV, five an operation from the seventh on, and eight for contend, share, permit and extend-permit:
--   name     acquire | contend | confirm | extend | release | inspect | enter | leave | waiting
--            share | confirm-share | extend-share | release-share | permit | extend-permit
--   n        how many lock keys it has
--   value    the lock value
--   ttl      milliseconds
--   number   fenced: a token, and n fence counters follow the lock keys; plain: empty
-- The queues of the keys follow, for those operations that have to do with waiting; and then one more key for those that
-- are about a lock that is shared, or about a semaphore.
--
-- Or a run: acquires or releases, how many operations, two more, and then those of its operations; see runs.lua.

-- The function of the operation before.
local known, run

local key = ARGV[2] == '' and 1 or 2
local i = 7
while i <= #ARGV do
  local name = ARGV[i]
  local n = tonumber(ARGV[i + 1])
  if name == 'acquires' then
    local groups = ARGV[i + 3] == '' and 1 or 2
    acquires(key, n, ARGV[i + 2], ARGV[i + 3], i + 4)
    key = key + n * (groups + 1)
    i = i + 4 + n * groups
  elseif name == 'releases' then
    releases(key, n, i + 4)
    key = key + 2 * n
    i = i + 4 + n
  else
    local number = ARGV[i + 4]
    if name ~= known or n ~= 1 then
      known, run = n == 1 and name, operation(name, n)
    end
    local is_share = name == 'share' or string.find(name, '-share', 2, true) ~= nil
    local is_permit = name == 'permit' or name == 'extend-permit'
    local is_long = name == 'contend' or name == 'share' or is_permit
    -- One operation that fails must not take the others of this call with it.
    local ok, reply
    if is_long then
      ok, reply = pcall(run, key, n, ARGV[i + 2], ARGV[i + 3], number, ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
    else
      ok, reply = pcall(run, key, n, ARGV[i + 2], ARGV[i + 3], number)
    end
    replies[#replies + 1] = ok and reply or { FAILED, error_of(reply) or tostring(reply) }
    local groups = (number == '' and 1 or 2)
      + ((name == 'extend' or name == 'confirm' or name == 'inspect') and 0 or 1)
    key = key + n * groups + ((is_share or is_permit) and 1 or 0)
    i = i + (is_long and 8 or 5)
  end
end
return replies
