-- KEYS: all
-- ARGV: now, how many at most, what keys of values begin with, what lists of waiting values end with
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(over) do
  local usage, digest = string.match(member, '^([^:]+):(.+)$')
  redis.call('DEL', ARGV[3] .. member)
  if usage then
    redis.call('ZREM', ARGV[3] .. usage .. ARGV[4], digest)
  end
  redis.call('ZREM', KEYS[1], member)
end
return {tostring(#over)}
