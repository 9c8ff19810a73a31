-- KEYS: scopes of the holder, all places
-- ARGV: holder, now, until, milliseconds to keep it, what keys of places begin with
local renewed = 'no'
for _, scope in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local key = ARGV[5] .. scope
  local ends = tonumber(redis.call('ZSCORE', key, ARGV[1]) or '')
  if ends and ends > tonumber(ARGV[2]) then
    redis.call('ZADD', key, ARGV[3], ARGV[1])
    redis.call('ZADD', KEYS[2], ARGV[3], #scope .. ':' .. scope .. ARGV[1])
    if redis.call('PTTL', key) < tonumber(ARGV[4]) then
      redis.call('PEXPIRE', key, ARGV[4])
    end
    renewed = 'renewed'
  end
end
for at = 1, #KEYS do
  if renewed == 'renewed' and redis.call('PTTL', KEYS[at]) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[at], ARGV[4])
  end
end
return {renewed}
