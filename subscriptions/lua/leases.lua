-- Comes before the scripts of leases.
--
-- KEYS     1  hash: the nodes that hold each user, with spaces between
--          2  sorted set: nodes by the end of their lease, in ms of Valkey's clock
--          3  hash: when each node renewed its lease
--          4  string: since when Valkey has kept all of this
-- ARGV     1  prefix of the keys of leases
--          2  prefix of the keys of the sets of each node's users
--          3  node id; then what the script names
for place, kind in ipairs({'hash', 'zset', 'hash'}) do
  -- Whoever is not found any more may only be lost.
  if replace_wrong_type(KEYS[place], kind) then redis.call('DEL', KEYS[4]) end
end
replace_wrong_type(KEYS[4], 'string')
if ARGV[3] ~= '' then replace_wrong_type(ARGV[2] .. ARGV[3], 'set') end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local alive = {}
local function lives(node)
  if alive[node] == nil then alive[node] = redis.call('EXISTS', ARGV[1] .. node) == 1 end
  return alive[node]
end
local function has_living(nodes, besides)
  for node in string.gmatch(nodes, '%S+') do
    if node ~= besides and lives(node) then return true end
  end
  return false
end
local function since(now)
  local kept = tonumber(redis.call('GET', KEYS[4]) or '')
  if kept then return kept end
  redis.call('SET', KEYS[4], now)
  return now
end
