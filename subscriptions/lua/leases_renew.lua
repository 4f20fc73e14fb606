-- Takes or renews a node's lease.
--
-- ARGV     4  the life of the lease, in ms
--          5  the newest version of live messages that the node reads; kept in the lease
--          6  1 to renew it, if it and the node's mark are still there; 0 to begin it
-- Returns  1, or 0 if there was nothing to renew.
if ARGV[6] == '1' then
  if not lives(ARGV[3]) or not has_mark(KEYS[1], ARGV[3]) then return 0 end
else
  set_mark(KEYS[1], ARGV[3], lives)
end
local now = now_ms()
redis.call('SET', ARGV[1] .. ARGV[3], ARGV[5], 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[3], now)
since(now)
return 1
