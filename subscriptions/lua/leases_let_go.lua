-- Lets go of users whom a node held.
--
-- ARGV     4       1 if only of a node that is dead
--          from 5  the ids of users
-- Returns  those whom no living node holds any more; false if the node came back.
if ARGV[4] == '1' and lives(ARGV[3]) then return false end
local gone = {}
for i = 5, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if nodes then
    local left = {}
    for node in string.gmatch(nodes, '%S+') do
      if node ~= ARGV[3] then left[#left + 1] = node end
    end
    if #left == 0 then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], table.concat(left, ' '))
    end
  end
  redis.call('SREM', ARGV[2] .. ARGV[3], ARGV[i])
  if not nodes or not has_living(nodes, ARGV[3]) then gone[#gone + 1] = ARGV[i] end
end
if ARGV[4] == '1' and redis.call('EXISTS', ARGV[2] .. ARGV[3]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[3])
end
return gone
