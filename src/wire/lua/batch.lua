-- The end of the batch script, which goes on where prelude.lua ends (`key`, `i`, `now`, `votes`, `late`): does the operations in order and answers
-- {time in microseconds or 0, reply of the first operation, reply of the second, …}.
--
-- ARGV, five an operation from the third on, and eight for contend, share, permit, adopt and adopt-share:
--   name     acquire | contend | confirm | extend | adopt | release | inspect | enter | leave | waiting
--            share | confirm-share | extend-share | adopt-share | release-share | permit | leave-permit | inspect-permit
--   n        how many lock keys it has
--   value    the lock value
--   ttl      milliseconds
--   number   fenced: a token, and n fence counters follow the lock keys; plain: empty
--
-- The queues of the keys follow, for operations that have to do with waiting. Operations on a shared lock have one more
-- key.
--
-- Or a batch, the form of most operations: `acquires` or `releases` of one key each, no key twice; wire/batch.ts has the
-- form. Whether acquires are fenced: not empty.
--
-- The frequent replies are short. An acquire that is granted answers the counter alone. A release that notified no waiter
-- answers the number of its keys.
--
-- The ordinary cases of batches, and of an acquire alone, take a fast path here, which makes no other function. Any
-- other operation goes to its own.

--[[ counter ]]
--[[ take ]]

local replies = { now }

-- Makes the function of an operation. The one that was made last, and its name.
local operation
local known, perform

-- How many of a batch are done.
local done = 0

while i <= #ARGV do
  local name = ARGV[i]
  local n = tonumber(ARGV[i + 1])
  -- How many arguments each of a batch has; nil: it is no batch, and may have three more.
  local step, is_long
  -- How many go to their function.
  local rest = 0
  if name == 'releases' then
    step = 1
    --[[ fast-releases ]]
  elseif name == 'acquires' then
    step = ARGV[i + 3] == '' and 1 or 2
    --[[ fast-acquires ]]
  else
    is_long = name == 'contend' or name == 'share' or name == 'permit' or string.sub(name, 1, 5) == 'adopt'
    rest = 1
    -- A free key that has no waiter, as where a process that has just released it goes on.
    if (name == 'acquire' or name == 'contend') and n == 1 and votes and not late then
      local fence = ARGV[i + 4] ~= '' and KEYS[key + 1]
      if redis.pcall('EXISTS', KEYS[key + (fence and 2 or 1)]) == 0 then
        local reply = take(KEYS[key], ARGV[i + 2], ARGV[i + 3], fence, ARGV[i + 4])
        if reply then
          replies[#replies + 1] = reply
          rest = 0
        end
      end
    end
  end

  if rest > 0 then
    if not operation then
      --[[ operations ]]
    end
    local single = name == 'releases' and 'release' or name == 'acquires' and 'acquire' or name
    local count = step and 1 or n
    if single ~= known or count > 1 then
      known = count == 1 and single
      perform = operation(single, count)
    end
    for _ = 1, rest do
      local ok, reply
      if name == 'releases' then
        ok, reply = pcall(perform, key + done, 1, ARGV[i + 4 + done], '', '', n)
      elseif name == 'acquires' then
        local at = i + 4 + step * done
        ok, reply = pcall(perform, key + done, n, ARGV[at], ARGV[i + 2], step == 2 and ARGV[at + 1] or '')
      else
        ok, reply = pcall(perform, key, n, unpack(ARGV, i + 2, i + (is_long and 7 or 4)))
      end
      if not ok then reply = { FAILED, type(reply) == 'table' and reply.err or tostring(reply) } end
      if (step or name == 'acquire' or name == 'contend' or name == 'release') and reply[1] == GRANTED and not reply[3] then reply = reply[2] end
      replies[#replies + 1] = reply
      done = done + 1
    end
  end

  if not step then
    local groups = (ARGV[i + 4] == '' and 1 or 2)
      + ((name == 'extend' or name == 'adopt' or name == 'confirm' or name == 'inspect') and 0 or 1)
    key = key + n * groups + (string.find(name, 'share', 1, true) and 1 or 0)
    i = i + (is_long and 8 or 5)
    done = 0
  elseif done == n then
    key = key + n * (step + 1)
    i = i + 4 + n * step
    done = 0
  end
end
return replies
