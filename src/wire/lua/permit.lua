-- PERMIT: ACQUIRE a slot of a semaphore.
-- LEAVE-PERMIT: LEAVE, of a waiter for any of the slots.
-- INSPECT-PERMIT: whether every slot has an owner. Writes nothing.
--
-- Each slot is a lock, and all have one queue. While programs take a semaphore to have different numbers of slots, the
-- largest number counts.
--
-- keys      a slot key; the keys of the others differ in the number alone. PERMIT: if fenced, its fence counter. The
--           queue
-- value     PERMIT: the lock value; LEAVE-PERMIT: the member
-- ttl       PERMIT: milliseconds; else how many slots the semaphore has
-- number    as that of ACQUIRE
-- member, score   PERMIT: as those of CONTEND, see acquire.lua
-- permits   PERMIT: how many slots the caller takes the semaphore to have
--
-- {GRANTED, c}       as ACQUIRE and LEAVE answer it
-- {HELD, remaining, holder, rank, open}   PERMIT: as ACQUIRE answers it. To a waiter, remaining is that of the first hundred
--                    slots' first to be free. `open`: the numbers of the slots that it may have here. A waiter for which
--                    a slot is reserved may have any that has no owner, and does not enter the queue again
-- {HELD, 1, value, 0}   INSPECT-PERMIT: every slot has an owner or is reserved; value: that of this one
-- {MISSING, 0}       INSPECT-PERMIT: a slot is free
-- {FOREIGN, type} {QUARANTINED} {FAILED, message}   and, to PERMIT, that it is late

local MOST_SLOTS = 1000

-- The number of slots of which a waiter learns when they end. Of another that ends before all of those it learns by
-- INSPECT-PERMIT.
local MOST_TIMED = 100

-- What the names of all slots have in common, and how many there are.
local function semaphore_of(key, permits)
  local before, slot, after = string.match(key, '^(quorlock:slot:)(%d+)(:.*)$')
  local count = count_of(permits)
  if not slot or not count or count > MOST_SLOTS or tonumber(slot) >= count then error('not a slot of ' .. permits, 0) end
  return { before = before, after = after, count = count }
end

local function is_reserved(owner)
  return owner and string.sub(owner, 1, 1) == RESERVED
end

-- Results: whether a slot is reserved for the waiter; the values of all slots; their keys.
local function look(semaphore, member)
  local slots = {}
  for i = 1, semaphore.count do slots[i] = semaphore.before .. (i - 1) .. semaphore.after end
  local owners = redis.call('MGET', unpack(slots))
  local has_one = false
  for i = 1, #slots do has_one = has_one or member ~= '' and owners[i] == RESERVED .. member end
  return has_one, owners, slots
end

-- Passes on what is reserved for the waiter, but for `kept`: one slot to `heir`, if there is one, and others to the first
-- waiters.
local function pass_on(semaphore, queue, member, kept, heir)
  redis.pcall('ZREM', queue, member)
  local _, owners, slots = look(semaphore, member)
  for i = 1, #slots do
    if owners[i] == RESERVED .. member and slots[i] ~= kept then
      if heir and knows(heir, ':' .. (i - 1)) then
        redis.call('SET', slots[i], heir, 'PX', grace)
        heir = nil
      elseif not hand_to_first(slots[i], queue) then
        redis.call('DEL', slots[i])
      end
    end
  end
end

local function permit(first, _, value, ttl, number, member, score, permits)
  local key, queue = KEYS[first], KEYS[first + (number == '' and 1 or 2)]
  local semaphore = semaphore_of(key, permits)
  if late or not votes then return acquire(first, 1, value, ttl, number, member, score) end
  local owner, foreign = owner_of(key)
  if foreign then return foreign end
  local mine = RESERVED .. member
  local is_open = owner == nil or is_reserved(owner)
  local has_one = member ~= '' and (owner == mine or look(semaphore, member))

  local reply
  if has_one and is_open then
    -- Nodes may have reserved different slots for it. Reservations own nothing: it exchanges that of another slot.
    pass_on(semaphore, queue, member, key, owner ~= mine and owner)
    redis.call('SET', key, mine, 'PX', grace)
  elseif has_one and owner ~= value then
    reply = refusal(key, owner)
  end
  reply = reply or acquire(first, 1, value, ttl, number, member, score)
  if reply[1] ~= HELD then return reply end

  local _, owners, slots = look(semaphore, member)
  local remaining, open = reply[2], {}
  for i = 1, #slots do
    if not owners[i] or has_one and is_reserved(owners[i]) then open[#open + 1] = i - 1 end
    if owners[i] and member ~= '' and i <= MOST_TIMED then
      local left = redis.call('PTTL', slots[i])
      if left >= 0 and left < remaining then remaining = left end
    end
  end
  return { HELD, remaining, reply[3], reply[4] or 0, table.concat(open, ',') }
end

local function leave_permit(first, _, member, permits)
  pass_on(semaphore_of(KEYS[first], permits), KEYS[first + 1], member)
  return { GRANTED, 1 }
end

local function inspect_permit(first, _, _, permits)
  local _, owners = look(semaphore_of(KEYS[first], permits), '')
  for i = 1, #owners do
    if not owners[i] then return votes and { MISSING, 0 } or { QUARANTINED } end
  end
  return { HELD, 1, redis.call('GET', KEYS[first]) or owners[1], 0 }
end
