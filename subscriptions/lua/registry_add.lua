-- Writes a node into the entries of users.
--
-- KEYS     1  the hash of users: for each the ids of the nodes that hold them, with spaces between
-- ARGV     1  node id; then the ids of users
-- Returns  how many users these were.
replace_wrong_type(KEYS[1], 'hash')
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if not nodes then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
  elseif not string.find(nodes, ARGV[1], 1, true) then
    redis.call('HSET', KEYS[1], ARGV[i], nodes .. ' ' .. ARGV[1])
  end
end
return #ARGV - 1
