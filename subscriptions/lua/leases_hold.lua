-- Holds users online at a node.
--
-- ARGV     from 4  the ids of users
-- Returns  those who were held by no living node before.
local new = {}
for i = 4, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if not nodes then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[3])
  elseif not string.find(nodes, ARGV[3], 1, true) then
    redis.call('HSET', KEYS[1], ARGV[i], nodes .. ' ' .. ARGV[3])
  end
  redis.call('SADD', ARGV[2] .. ARGV[3], ARGV[i])
  if not nodes or not has_living(nodes) then new[#new + 1] = ARGV[i] end
end
return new
