-- Finds a node whose lease has ended, for one process to bury.
--
-- ARGV     4  for how long burying it is one process's, in ms
-- Returns  the node, and how long ago it renewed its lease, in ms; false if there is none.
local now = now_ms()
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 20)) do
  local lock = ARGV[1] .. node .. ':burying'
  replace_wrong_type(lock, 'string')
  if not lives(node) and redis.call('SET', lock, 1, 'NX', 'PX', ARGV[4]) then
    return {node, now - (tonumber(redis.call('HGET', KEYS[3], node) or '') or now)}
  end
end
return false
