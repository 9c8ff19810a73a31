-- KEYS: lease
-- ARGV: holder, now, until, milliseconds to keep it
local held = redis.call('HMGET', KEYS[1], 'holder', 'until')
if held[1] or held[2] then
  local ends = tonumber(held[2] or '')
  if not held[1] or not ends then
    return redis.error_reply('CORRUPT a lease is not as it was taken')
  end
  if held[1] ~= ARGV[1] and ends > tonumber(ARGV[2]) then
    return {'held'}
  end
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'taken'}
