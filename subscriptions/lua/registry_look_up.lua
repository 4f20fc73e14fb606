-- Looks up which living nodes hold users. Dead nodes are taken out of the entries on the way.
--
-- KEYS     1  the hash of users
-- ARGV     1  prefix of the keys of leases; then the ids of users
-- Returns  for each user the ids of nodes, with spaces between; then what the lease of each of these
--          nodes holds: "<id>=<newest version that it reads>", with spaces between.
replace_wrong_type(KEYS[1], 'hash')
local found, alive, readers = {}, {}, {}
local function lives(node)
  if alive[node] == nil then
    local held = redis.pcall('GET', ARGV[1] .. node)
    alive[node] = held and true
    -- Of another type than Parley gives it: the node itself will replace it.
    if held then readers[#readers + 1] = node .. '=' .. (type(held) == 'string' and held or '') end
  end
  return alive[node]
end
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  local living = {}
  if nodes then
    local dead = false
    for node in string.gmatch(nodes, '%S+') do
      if lives(node) then living[#living + 1] = node else dead = true end
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
found[#ARGV] = table.concat(readers, ' ')
return found
