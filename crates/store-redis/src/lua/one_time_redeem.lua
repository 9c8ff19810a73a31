-- KEYS: value, waiting (of this use)
-- ARGV: now, member of waiting, '1' to use it and '0' to look
local found = redis.call('HMGET', KEYS[1], 'sealed', 'expires', 'used')
if not found[1] and not found[2] and not found[3] then
  return {'unknown'}
end
local expires = tonumber(found[2] or '')
if not found[1] or not expires or (found[3] ~= '0' and found[3] ~= '1') then
  return redis.error_reply('CORRUPT a one-time value is not as it was put')
end
if found[3] == '1' then
  return {'used', found[1]}
end
if expires <= tonumber(ARGV[1]) then
  return {'expired'}
end
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'used', '1')
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return {'value', found[1]}
