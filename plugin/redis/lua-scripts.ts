import { hash } from 'node:crypto'

/**
 * Lua scripts, each of which Redis executes in one step. A script concerns one partition, whose keys share a hash tag:
 *
 * - The log, a hash. Its fields for the partition: `e` the epoch; `m` and `s` the last id (milliseconds and sequence
 *   number); `r` the run id of the Redis process; `t` and `p` the names of the current and the previous term; `c` the
 *   last id when the current term began; `f` an upper bound for the ids of all forgotten channels; `k` the cursor of the
 *   search for idle channels. Its fields for each channel, a colon and the channel's name: see `parseRecord`. One hash
 *   holds all of this because it is then lost as a whole: if Redis evicts it, a new epoch begins.
 * - A stream for each channel, its history. It expires with its newest entry.
 * - A string for each idempotency key, `<id> <digest>`.
 *
 * In scripts, ids have no epoch.
 *
 * A term lasts as long as one Redis process serves the log. The next process may lack acknowledged entries: it may have
 * been restored from disk, or be a replica that was behind. Therefore the first broker that notices the new process
 * records the last id of the log. A broker that knows a later id of the previous term then starts a new epoch.
 */
const COMMON = `
local function parseId (id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function isBefore (a, b)
  local aMs, aSeq = parseId(a)
  local bMs, bSeq = parseId(b)
  return aMs < bMs or (aMs == bMs and aSeq < bSeq)
end

local function laterOf (a, b)
  if isBefore(a, b) then return b end
  return a
end

local function now ()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A channel's last id, the newest id that its history has lost, the history's bytes, entries and age, its oldest id, and 1
-- if it has lost entries that its limits would have kept.
local function parseRecord (text)
  local last, lost, bytes, count, age, first, damaged = string.match(text, '^(%S+) (%S+) (%d+) (%d+) (%d+) (%S+) ([01])$')
  return last, lost, tonumber(bytes), tonumber(count), tonumber(age), first, tonumber(damaged)
end
`

/** A Lua script, called by its digest. */
export class LuaScript {
  readonly body: string
  readonly source: string
  readonly sha1: string
  readonly keyCount: number

  constructor (keyCount: number, body: string) {
    this.body = body
    this.source = COMMON + body
    this.sha1 = hash('sha1', this.source)
    this.keyCount = keyCount
  }
}

export interface LuaScripts {
  readonly sync: LuaScript
  readonly publish: LuaScript
  readonly read: LuaScript
}

/**
 * Starts a log if there is none, a term if another Redis process serves the log, and an epoch if entries were lost. Then
 * reports how far the log goes, in the reply and in a marker: a message to the calling broker, which arrives after
 * everything that was published before.
 *
 * KEYS: the log.
 * ARGV: a new name; the broker's marker channel; the marker's name; the epoch, the term and the last id that the broker
 * knows, the first two empty if it knows none; names of channels.
 *
 * Returns the epoch, the term, the last id, an upper bound for the ids of all forgotten channels, and the last id of each
 * channel, empty for an unknown one.
 */
export const SYNC = new LuaScript(1, `
if string.match(redis.call('INFO', 'replication'), 'role:(%w+)') ~= 'master' then
  return redis.error_reply('READONLY this is a replica')
end
local currentRun = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local newName = ARGV[1]
local epoch, ms, seq, run, term, previousTerm, termStart = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'r', 't', 'p', 'c'))
if not epoch then
  epoch, ms, seq, run, term, previousTerm, termStart = newName, '0', '0', currentRun, newName, '', '0-0'
  redis.call('HSET', KEYS[1], 'e', epoch, 'm', ms, 's', seq, 'r', run, 't', term, 'p', previousTerm, 'c', termStart, 'f', '0-0')
end
local lastId = ms .. '-' .. seq
if run ~= currentRun then
  term, previousTerm, termStart = newName, term, lastId
  redis.call('HSET', KEYS[1], 'r', currentRun, 't', term, 'p', previousTerm, 'c', termStart)
end
if ARGV[4] == epoch then
  local knownTerm, knownId = ARGV[5], ARGV[6]
  if isBefore(lastId, knownId) or (knownTerm ~= term and (knownTerm ~= previousTerm or isBefore(termStart, knownId))) then
    epoch = newName
    redis.call('HSET', KEYS[1], 'e', epoch)
  end
end
redis.call('PUBLISH', ARGV[2], ARGV[3] .. '\\n' .. epoch .. '\\n' .. lastId .. '\\n')
local lastIds = {}
for i = 7, #ARGV do
  local text = redis.call('HGET', KEYS[1], ':' .. ARGV[i])
  lastIds[#lastIds + 1] = text and string.match(text, '^%S+') or ''
end
return { epoch, term, lastId, redis.call('HGET', KEYS[1], 'f'), lastIds }
`)

/**
 * Publishes an event.
 *
 * KEYS: the log; the channel's history; the idempotency key, or any key if there is none.
 * ARGV: the epoch and the last id that the broker knows; the channel's name and pub/sub channel; the payload, and the bytes
 * of its text; the history's count, age and bytes; milliseconds for which an idle channel is remembered; the payload's
 * digest, empty without an idempotency key, and milliseconds for which the key is remembered; the expected last id of the
 * channel, empty if any is right.
 *
 * Returns the id, and 1 if it is that of an earlier publication with the same key. Returns nothing if the broker knows
 * another epoch, or if the epoch must end. Returns 'conflict' if the key was used for another payload, and
 * 'precondition' if the channel's last id is not the expected one.
 */
export const PUBLISH = new LuaScript(3, `
local epoch, ms, seq, forgotten, cursor = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'f', 'k'))
if epoch ~= ARGV[1] or isBefore(ms .. '-' .. seq, ARGV[2]) then return false end
local name, payload, digest = ARGV[3], ARGV[5], ARGV[11]

if digest ~= '' then
  local earlier = redis.call('GET', KEYS[3])
  if earlier then
    local id, earlierDigest = string.match(earlier, '^(%S+) (%S+)$')
    if earlierDigest ~= digest then return 'conflict' end
    return { id, 1 }
  end
end

local text = redis.call('HGET', KEYS[1], ':' .. name)
if ARGV[13] ~= '' and (not text or string.match(text, '^%S+') ~= ARGV[13]) then return 'precondition' end

local time = now()
ms, seq = tonumber(ms), tonumber(seq)
if time > ms then ms, seq = time, 0 else seq = seq + 1 end
local id = string.format('%d-%d', ms, seq)
redis.call('HSET', KEYS[1], 'm', string.format('%d', ms), 's', string.format('%d', seq))

local last, lost, bytes, count, first, damaged = '0-0', forgotten, 0, 0, '0-0', 0
if text then
  local _
  last, lost, bytes, count, _, first, damaged = parseRecord(text)
else
  -- A stream without a record is from an earlier epoch.
  redis.call('UNLINK', KEYS[2])
  -- Each new channel causes a few idle ones to be forgotten.
  local scanned = redis.call('HSCAN', KEYS[1], cursor or '0', 'COUNT', 10)
  for i = 1, #scanned[2], 2 do
    local field = scanned[2][i]
    if string.sub(field, 1, 1) == ':' then
      local itsLast, _, _, itsCount, itsAge = parseRecord(scanned[2][i + 1])
      if (itsCount == 0 or itsAge > 0) and parseId(itsLast) + itsAge + tonumber(ARGV[10]) <= time then
        redis.call('HDEL', KEYS[1], field)
        forgotten = laterOf(forgotten, itsLast)
      end
    end
  end
  lost = forgotten
  redis.call('HSET', KEYS[1], 'k', scanned[1], 'f', forgotten)
end

local maxCount, age, maxBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local size = tonumber(ARGV[6]) + #epoch + 1 + #id
redis.call('XADD', KEYS[2], id, 's', size, 'p', payload)
bytes, count = bytes + size, count + 1
if count == 1 then first = id end
if redis.call('XLEN', KEYS[2]) ~= count then
  -- The stream has expired or was changed by somebody else, so its older entries can't be trusted.
  redis.call('XTRIM', KEYS[2], 'MAXLEN', 1)
  lost, bytes, count, first, damaged = last, size, 1, id, 1
end

local countBefore, cutoff = count, age > 0 and time - age or -1
while count > 0 and (count > maxCount or bytes > maxBytes or parseId(first) <= cutoff) do
  local entries = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', 2)
  lost, bytes, count = first, bytes - tonumber(entries[1][2][2]), count - 1
  first = entries[2] and entries[2][1] or '0-0'
end
-- A history that reaches its limits again is as complete as any other.
if count < countBefore then damaged = 0 end
if count == 0 then
  redis.call('UNLINK', KEYS[2])
else
  if count < countBefore then redis.call('XTRIM', KEYS[2], 'MAXLEN', count) end
  if age > 0 then redis.call('PEXPIRE', KEYS[2], age) else redis.call('PERSIST', KEYS[2]) end
end
redis.call('HSET', KEYS[1], ':' .. name, string.format('%s %s %d %d %d %s %d', id, lost, bytes, count, age, first, damaged))

if digest ~= '' then redis.call('SET', KEYS[3], id .. ' ' .. digest, 'PX', ARGV[12]) end
redis.call('PUBLISH', ARGV[4], epoch .. '\\n' .. id .. '\\n' .. last .. '\\n' .. payload)
return { id, 0 }
`)

/**
 * Reads a page of a channel's history.
 *
 * KEYS: the log; the channel's history.
 * ARGV: the epoch and the last id that the broker knows; the channel's name; the epoch and the rest of the id to read
 * after, both empty to read from the beginning; the maximum of entries; the bytes after which a page is large enough.
 *
 * Returns the last id of the log; 1 if the id to read after is one of the log's; the newest id that the history has
 * lost; the entries, each its id and its payload; 1 if there are more; 1 if the history has lost entries that its limits
 * keep. Returns nothing if the broker knows another epoch, or if the epoch must end.
 */
export const READ = new LuaScript(2, `
local epoch, ms, seq, forgotten = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'f'))
if epoch ~= ARGV[1] then return false end
local lastId = ms .. '-' .. seq
if isBefore(lastId, ARGV[2]) then return false end

local known, after = 1, '0-0'
if ARGV[5] ~= '' then
  if ARGV[4] == epoch and not isBefore(lastId, ARGV[5]) then after = ARGV[5] else known = 0 end
end
local text = redis.call('HGET', KEYS[1], ':' .. ARGV[3])
if not text then return { lastId, known, forgotten, {}, 0, 0 } end

local last, lost, bytes, count, age, first, damaged = parseRecord(text)
if redis.call('XLEN', KEYS[2]) ~= count then lost, damaged = last, 1 end
if count > 0 and age > 0 then
  local cutoff = now() - age
  if parseId(first) <= cutoff then
    local expired = redis.call('XREVRANGE', KEYS[2], string.format('%d', cutoff), '-', 'COUNT', 1)
    if expired[1] then lost = laterOf(lost, expired[1][1]) end
  end
  if parseId(lost) <= cutoff then damaged = 0 end
end

local limit = tonumber(ARGV[6])
if count > 0 then limit = math.min(limit, math.max(1, math.floor(count * tonumber(ARGV[7]) / bytes))) end
local found = redis.call('XRANGE', KEYS[2], '(' .. laterOf(after, lost), '+', 'COUNT', limit + 1)
local entries, more = {}, 0
for i = 1, #found do
  if i > limit then more = 1 else entries[i] = { found[i][1], found[i][2][4] } end
end
return { lastId, known, lost, entries, more, damaged }
`)

/** Scripts that publish to every node of a cluster, or to the only node. */
export const SCRIPTS: LuaScripts = { sync: SYNC, publish: PUBLISH, read: READ }
/** Scripts that publish only to the shard of their keys. */
export const SHARDED_SCRIPTS: LuaScripts = { sync: sharded(SYNC), publish: sharded(PUBLISH), read: READ }

function sharded ({ keyCount, body }: LuaScript): LuaScript {
  return new LuaScript(keyCount, body.replace("'PUBLISH'", "'SPUBLISH'"))
}
