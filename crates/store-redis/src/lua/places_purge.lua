-- KEYS: all places
-- ARGV: now, how many at most, what keys of places begin with, what keys of holders begin with
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(over) do
  local length, rest = string.match(member, '^(%d+):(.*)$')
  if length then
    local scope = string.sub(rest, 1, tonumber(length))
    local holder = string.sub(rest, tonumber(length) + 1)
    redis.call('ZREM', ARGV[3] .. scope, holder)
    redis.call('SREM', ARGV[4] .. holder, scope)
  end
  redis.call('ZREM', KEYS[1], member)
end
return {tostring(#over)}
