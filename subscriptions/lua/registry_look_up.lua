-- Looks up which living nodes hold users. Dead nodes are taken out of the entries on the way.
--
-- KEYS     1  the hash of users
-- ARGV     1  prefix of the keys of leases; then the ids of users
-- Returns  for each user the ids of nodes, with spaces between.
replace_wrong_type(KEYS[1], 'hash')
local found, alive = {}, {}
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  local living = {}
  if nodes then
    local dead = false
    for node in string.gmatch(nodes, '%S+') do
      if alive[node] == nil then alive[node] = redis.call('EXISTS', ARGV[1] .. node) == 1 end
      if alive[node] then living[#living + 1] = node else dead = true end
    end
    if dead then
      if #living == 0 then
        redis.call('HDEL', KEYS[1], ARGV[i])
      else
        redis.call('HSET', KEYS[1], ARGV[i], table.concat(living, ' '))
      end
    end
  end
  found[i - 1] = table.concat(living, ' ')
end
return found
