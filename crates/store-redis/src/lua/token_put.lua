-- KEYS: token
-- ARGV: sealed, expires_at, milliseconds to keep it
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'sealed', ARGV[1], 'expires', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'kept'}
