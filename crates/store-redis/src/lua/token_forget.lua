-- KEYS: token
-- ARGV: sealed
if redis.call('HGET', KEYS[1], 'sealed') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return {'forgotten'}
