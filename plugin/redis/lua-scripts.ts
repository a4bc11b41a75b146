import { createHash } from 'node:crypto'

/**
 * What Redis does in one step, in Lua. All of it is about one partition, whose names share a hash tag:
 *
 * - the log, a hash. Of the partition: `e` its epoch, `m` and `s` the last id given (milliseconds and number), `r` the
 *   run of the Redis process, `t` and `p` the names of this and the previous term, `c` where this term began, `f` up to
 *   where entries of forgotten channels may have been, `k` how far the search for idle channels has got. And for each
 *   channel, under a colon and its name: the last id, the newest id that is gone, bytes, number, age in milliseconds,
 *   and the oldest entry of its history. What is in one hash is lost as a whole: if Redis evicts it, the epoch ends.
 * - a stream for each channel, its history. It goes when its newest entry is too old.
 * - a string for each idempotency key, `<id> <digest>`.
 *
 * Ids are without the epoch here.
 *
 * A term is as long as one Redis process holds the log. Who comes after it may not have all that was acknowledged: the
 * process may have been restored from what was on its disk, or be a replica that was behind. So the first to see
 * another process notes how far the log goes, and everybody who knows of a later id from the term before ends the epoch.
 */
const COMMON = `
local function parse (id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function before (a, b)
  local ams, aseq = parse(a)
  local bms, bseq = parse(b)
  return ams < bms or (ams == bms and aseq < bseq)
end

local function later (a, b)
  if before(a, b) then return b end
  return a
end

local function now ()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function record (text)
  local last, gone, bytes, count, age, first = string.match(text, '^(%S+) (%S+) (%d+) (%d+) (%d+) (%S+)$')
  return last, gone, tonumber(bytes), tonumber(count), tonumber(age), first
end
`

/** A script, by its text. */
export class Script {
  readonly body: string
  readonly text: string
  readonly sha: string
  readonly keys: number

  constructor (keys: number, body: string) {
    this.body = body
    this.text = COMMON + body
    this.sha = createHash('sha1').update(this.text).digest('hex')
    this.keys = keys
  }
}

/** What Redis is to do for a broker. */
export interface Scripts {
  readonly sync: Script
  readonly publish: Script
  readonly read: Script
}

/**
 * Begins a log where there is none, a term where Redis is another process, and an epoch where something was lost. Then
 * tells a node how far the log goes, both here and by a message to itself, before which comes all that was published
 * before.
 *
 * KEYS: the log.
 * ARGV: a name that is new; the node's channel; the message's name; the epoch, the term and the last id that the node
 * knows, the first two empty where it knows none; names of channels.
 *
 * Gives the epoch, the term, the last id, up to where entries of forgotten channels may have been, and the last id of
 * each channel, empty where it is not known.
 */
export const SYNC = new Script(1, `
if string.match(redis.call('INFO', 'replication'), 'role:(%w+)') ~= 'master' then
  return redis.error_reply('READONLY this is a replica')
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local fresh = ARGV[1]
local e, m, s, r, t, p, c = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'r', 't', 'p', 'c'))
if not e then
  e, m, s, r, t, p, c = fresh, '0', '0', run, fresh, '', '0-0'
  redis.call('HSET', KEYS[1], 'e', e, 'm', m, 's', s, 'r', r, 't', t, 'p', p, 'c', c, 'f', '0-0')
end
local clock = m .. '-' .. s
if r ~= run then
  t, p, c = fresh, t, clock
  redis.call('HSET', KEYS[1], 'r', run, 't', t, 'p', p, 'c', c)
end
if ARGV[4] == e then
  local term, known = ARGV[5], ARGV[6]
  if before(clock, known) or (term ~= t and (term ~= p or before(c, known))) then
    e = fresh
    redis.call('HSET', KEYS[1], 'e', e)
  end
end
redis.call('PUBLISH', ARGV[2], ARGV[3] .. '\\n' .. e .. '\\n' .. clock .. '\\n')
local lasts = {}
for i = 7, #ARGV do
  local text = redis.call('HGET', KEYS[1], ':' .. ARGV[i])
  lasts[#lasts + 1] = text and string.match(text, '^%S+') or ''
end
return { e, t, clock, redis.call('HGET', KEYS[1], 'f'), lasts }
`)

/**
 * Publishes.
 *
 * KEYS: the log; the channel's stream; the idempotency key, or any.
 * ARGV: the epoch and the last id that the node knows; the channel's name; where it is heard; the payload, and the
 * bytes of its text; the history's count, age and bytes; for how long an idle channel is remembered; the payload's
 * digest, empty without an idempotency key, and for how long that is remembered.
 *
 * Gives the id and whether it is an earlier one; nothing where it is another epoch than the node knows, or has to be;
 * 'taken' where the idempotency key was used for another payload.
 */
export const PUBLISH = new Script(3, `
local e, m, s, f, k = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'f', 'k'))
if e ~= ARGV[1] or before(m .. '-' .. s, ARGV[2]) then return false end
local name, payload, digest = ARGV[3], ARGV[5], ARGV[11]

if digest ~= '' then
  local done = redis.call('GET', KEYS[3])
  if done then
    local id, its = string.match(done, '^(%S+) (%S+)$')
    if its ~= digest then return 'taken' end
    return { id, 1 }
  end
end

local time = now()
m, s = tonumber(m), tonumber(s)
if time > m then m, s = time, 0 else s = s + 1 end
local id = string.format('%d-%d', m, s)
redis.call('HSET', KEYS[1], 'm', string.format('%d', m), 's', string.format('%d', s))

local last, gone, bytes, count, first = '0-0', f, 0, 0, '0-0'
local text = redis.call('HGET', KEYS[1], ':' .. name)
if text then
  local _
  last, gone, bytes, count, _, first = record(text)
else
  -- What no record tells of is from before the epoch.
  redis.call('UNLINK', KEYS[2])
  -- One comes, some that are idle go.
  local scanned = redis.call('HSCAN', KEYS[1], k or '0', 'COUNT', 10)
  for i = 1, #scanned[2], 2 do
    local field = scanned[2][i]
    if string.sub(field, 1, 1) == ':' then
      local itsLast, _, _, itsCount, itsAge = record(scanned[2][i + 1])
      if (itsCount == 0 or itsAge > 0) and parse(itsLast) + itsAge + tonumber(ARGV[10]) <= time then
        redis.call('HDEL', KEYS[1], field)
        f = later(f, itsLast)
      end
    end
  end
  gone = f
  redis.call('HSET', KEYS[1], 'k', scanned[1], 'f', f)
end

local maxCount, age, maxBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local size = tonumber(ARGV[6]) + #e + 1 + #id
redis.call('XADD', KEYS[2], id, 's', size, 'p', payload)
bytes, count = bytes + size, count + 1
if count == 1 then first = id end
if redis.call('XLEN', KEYS[2]) ~= count then
  -- It has expired, or somebody has taken from it: the rest is worth nothing.
  redis.call('XTRIM', KEYS[2], 'MAXLEN', 1)
  gone, bytes, count, first = last, size, 1, id
end

local held, oldest = count, age > 0 and time - age or -1
while count > 0 and (count > maxCount or bytes > maxBytes or parse(first) <= oldest) do
  local entries = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', 2)
  gone, bytes, count = first, bytes - tonumber(entries[1][2][2]), count - 1
  first = entries[2] and entries[2][1] or '0-0'
end
if count == 0 then
  redis.call('UNLINK', KEYS[2])
else
  if count < held then redis.call('XTRIM', KEYS[2], 'MAXLEN', count) end
  if age > 0 then redis.call('PEXPIRE', KEYS[2], age) else redis.call('PERSIST', KEYS[2]) end
end
redis.call('HSET', KEYS[1], ':' .. name, string.format('%s %s %d %d %d %s', id, gone, bytes, count, age, first))

if digest ~= '' then redis.call('SET', KEYS[3], id .. ' ' .. digest, 'PX', ARGV[12]) end
redis.call('PUBLISH', ARGV[4], e .. '\\n' .. id .. '\\n' .. last .. '\\n' .. payload)
return { id, 0 }
`)

/**
 * Reads a channel's history.
 *
 * KEYS: the log; the channel's stream.
 * ARGV: the epoch and the last id that the node knows; the channel's name; the epoch and the rest of the id that is
 * asked for, both empty for the beginning; entries at most; bytes after which a page is large enough.
 *
 * Gives the last id; 1 where the id that is asked for is known; the newest id that is gone; entries, each its id and its
 * payload; 1 where there are more. Nothing where it is another epoch than the node knows, or has to be.
 */
export const READ = new Script(2, `
local e, m, s, f = unpack(redis.call('HMGET', KEYS[1], 'e', 'm', 's', 'f'))
if e ~= ARGV[1] then return false end
local clock = m .. '-' .. s
if before(clock, ARGV[2]) then return false end

local known, from = 1, '0-0'
if ARGV[5] ~= '' then
  if ARGV[4] == e and not before(clock, ARGV[5]) then from = ARGV[5] else known = 0 end
end
local text = redis.call('HGET', KEYS[1], ':' .. ARGV[3])
if not text then return { clock, known, f, {}, 0 } end

local last, gone, bytes, count, age, first = record(text)
if redis.call('XLEN', KEYS[2]) ~= count then gone = last end
if count > 0 and age > 0 then
  local oldest = now() - age
  if parse(first) <= oldest then
    local old = redis.call('XREVRANGE', KEYS[2], string.format('%d', oldest), '-', 'COUNT', 1)
    if old[1] then gone = later(gone, old[1][1]) end
  end
end

local limit = tonumber(ARGV[6])
if count > 0 then limit = math.min(limit, math.max(1, math.floor(count * tonumber(ARGV[7]) / bytes))) end
local found = redis.call('XRANGE', KEYS[2], '(' .. later(from, gone), '+', 'COUNT', limit + 1)
local entries, more = {}, 0
for i = 1, #found do
  if i > limit then more = 1 else entries[i] = { found[i][1], found[i][2][4] } end
end
return { clock, known, gone, entries, more }
`)

/** With the pub/sub that a whole cluster hears, or that of one shard of it. */
export const SCRIPTS: Scripts = { sync: SYNC, publish: PUBLISH, read: READ }
export const SHARDED_SCRIPTS: Scripts = { sync: sharded(SYNC), publish: sharded(PUBLISH), read: READ }

function sharded ({ keys, body }: Script): Script {
  return new Script(keys, body.replace("'PUBLISH'", "'SPUBLISH'"))
}
