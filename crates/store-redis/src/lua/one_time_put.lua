-- KEYS: value, waiting (of this use), all
-- ARGV: sealed, expires_at, member of waiting, member of all, milliseconds to keep it, room or '', now or ''
if redis.call('EXISTS', KEYS[1]) == 1 then
  return {'taken'}
end
if ARGV[6] ~= '' then
  local good = redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[7], '+inf')
  if good >= tonumber(ARGV[6]) then
    return {'full'}
  end
end
-- The lists first: where one of them is something else, nothing is kept.
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[4])
redis.call('HSET', KEYS[1], 'sealed', ARGV[1], 'expires', ARGV[2], 'used', '0')
local life = tonumber(ARGV[5])
redis.call('PEXPIRE', KEYS[1], life)
for at = 2, 3 do
  if redis.call('PTTL', KEYS[at]) < life then
    redis.call('PEXPIRE', KEYS[at], life)
  end
end
return {'kept'}
