-- Looks up who is held.
--
-- ARGV     4       for how long after its lease a node that is not buried still counts, in ms
--          from 5  the ids of users
-- Returns  for how long Valkey has kept all of this, in ms, and a 0 or 1 for each user.
local now = now_ms()
local counts = {}
local function does_count(node)
  if counts[node] == nil then
    local ended = not lives(node) and redis.call('ZSCORE', KEYS[2], node)
    counts[node] = lives(node) or (ended and now - ended < tonumber(ARGV[4]))
  end
  return counts[node]
end
local held = {}
for i = 5, #ARGV do
  local mark = '0'
  for node in string.gmatch(redis.call('HGET', KEYS[1], ARGV[i]) or '', '%S+') do
    if does_count(node) then mark = '1' break end
  end
  held[i - 4] = mark
end
return {now - since(now), table.concat(held)}
