-- KEYS: the channel
-- ARGV: what changed
redis.call('PUBLISH', KEYS[1], ARGV[1])
return {}
