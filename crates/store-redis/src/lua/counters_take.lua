-- KEYS: counts
-- ARGV: now, tolerance (microseconds both); of each charge: scope, every (microseconds), burst
-- The generic cell rate algorithm, as `portcullis_core::gcra` and `Charge::believed` have it.
local now, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local counted, longest, which, furthest_due = {}, -1, -1, 0
for at = 3, #ARGV, 3 do
  local scope, every, burst = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local furthest = now + every * burst
  local before = counted[scope] or tonumber(redis.call('ZSCORE', KEYS[1], scope) or '')
  local believed = before
  if before and before > furthest + tolerance then
    believed = furthest
  end
  local after = math.max(believed or now, now) + every
  if after > furthest then
    -- A count that was not believed is put right, or it would be waited for again.
    if believed ~= before then
      redis.call('ZADD', KEYS[1], string.format('%.0f', believed), scope)
    end
    if after - furthest > longest then
      longest, which = after - furthest, (at - 3) / 3
    end
  else
    counted[scope] = after
    furthest_due = math.max(furthest_due, after)
  end
end
if which >= 0 then
  return {'limited', string.format('%.0f', which), string.format('%.0f', longest)}
end
for scope, after in pairs(counted) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', after), scope)
end
-- What everything is forgiven in, and an hour.
local life = math.ceil((furthest_due - now) / 1000) + 3600000
if furthest_due > 0 and redis.call('PTTL', KEYS[1]) < life then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
end
return {'taken'}
