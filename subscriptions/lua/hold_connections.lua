-- Counts one node's open connections by their owners, and decides whether more may be opened.
--
-- KEYS     one hash for each owner (a user, an address): how many connections each node holds. What
--          nodes hold whose lease has ended does not count, and is taken out.
-- ARGV     1  this node's id
--          2  prefix of the keys of nodes' leases
--          3  the ms for which a hash is kept after the last change
--          then two for each key: the most that all nodes may hold, what this node holds now;
--          then one for each connection to be opened: the places in KEYS of its owners: "1 2"
-- Returns  one integer for each of those: 0 if it may be opened, and is counted; else the place in
--          KEYS of an owner who has as many as there may be.
local node = ARGV[1]
local alive, others, own = {}, {}, {}
local function lives(id)
  if alive[id] == nil then alive[id] = redis.call('EXISTS', ARGV[2] .. id) == 1 end
  return alive[id]
end
for i, key in ipairs(KEYS) do
  own[i], others[i] = tonumber(ARGV[3 + 2 * i]), 0
  replace_wrong_type(key, 'hash')
  local held = redis.call('HGETALL', key)
  for j = 1, #held, 2 do
    if held[j] ~= node and lives(held[j]) then
      others[i] = others[i] + (tonumber(held[j + 1]) or 0)
    elseif held[j] ~= node then
      redis.call('HDEL', key, held[j])
    end
  end
end
local answer = {}
for j = 4 + 2 * #KEYS, #ARGV do
  local full = 0
  for place in string.gmatch(ARGV[j], '%d+') do
    local i = tonumber(place)
    if full == 0 and others[i] + own[i] >= tonumber(ARGV[2 + 2 * i]) then full = i end
  end
  if full == 0 then
    for place in string.gmatch(ARGV[j], '%d+') do
      own[tonumber(place)] = own[tonumber(place)] + 1
    end
  end
  answer[#answer + 1] = full
end
for i, key in ipairs(KEYS) do
  if own[i] == 0 then
    redis.call('HDEL', key, node)
  else
    redis.call('HSET', key, node, own[i])
    redis.call('PEXPIRE', key, ARGV[3])
  end
end
return answer
