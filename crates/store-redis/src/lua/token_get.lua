-- KEYS: token
-- ARGV: now
local found = redis.call('HMGET', KEYS[1], 'sealed', 'expires')
if not found[1] and not found[2] then
  return {}
end
local expires = tonumber(found[2] or '')
if not found[1] or not expires then
  return redis.error_reply('CORRUPT a token is not as it was kept')
end
if expires <= tonumber(ARGV[1]) then
  return {}
end
return {found[1]}
