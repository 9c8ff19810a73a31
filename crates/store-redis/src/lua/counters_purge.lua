-- KEYS: counts
-- ARGV: now (microseconds)
return {tostring(redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1]))}
