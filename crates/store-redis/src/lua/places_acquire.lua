-- KEYS: scopes of the holder, all places, places of each scope
-- ARGV: holder, now, until, milliseconds to keep it; of each scope: its name, how many places it has
local scopes = #KEYS - 2
for number = 1, scopes do
  local taken = redis.call('ZCOUNT', KEYS[number + 2], '(' .. ARGV[2], '+inf')
  if taken >= tonumber(ARGV[4 + number * 2]) then
    return {'full', tostring(number - 1)}
  end
end
-- The lists of all first: where one of them is something else, nobody is seated.
for number = 1, scopes do
  local scope = ARGV[3 + number * 2]
  redis.call('SADD', KEYS[1], scope)
  redis.call('ZADD', KEYS[2], ARGV[3], #scope .. ':' .. scope .. ARGV[1])
end
for number = 1, scopes do
  redis.call('ZADD', KEYS[number + 2], ARGV[3], ARGV[1])
end
for at = 1, #KEYS do
  if redis.call('PTTL', KEYS[at]) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[at], ARGV[4])
  end
end
return {'held'}
