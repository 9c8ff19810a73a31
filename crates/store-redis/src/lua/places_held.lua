-- KEYS: places of the scope
-- ARGV: now
return {tostring(redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf'))}
