-- Takes a node out of the entries of users.
--
-- KEYS     1  the hash of users
-- ARGV     1  node id; then the ids of users
-- Returns  how many users these were.
replace_wrong_type(KEYS[1], 'hash')
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if nodes then
    local left = {}
    for node in string.gmatch(nodes, '%S+') do
      if node ~= ARGV[1] then left[#left + 1] = node end
    end
    if #left == 0 then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], table.concat(left, ' '))
    end
  end
end
return #ARGV - 1
