-- KEYS: scopes of the holder, all places
-- ARGV: holder, what keys of places begin with
for _, scope in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  redis.call('ZREM', ARGV[2] .. scope, ARGV[1])
  redis.call('ZREM', KEYS[2], #scope .. ':' .. scope .. ARGV[1])
end
redis.call('DEL', KEYS[1])
return {'released'}
