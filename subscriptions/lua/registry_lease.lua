-- Takes or renews a node's lease.
--
-- KEYS     1  the hash of users: which nodes hold each
--          2  the node's lease
-- ARGV     1  node id
--          2  the life of the lease, in ms
--          3  prefix of the keys of leases
--          4  the newest version of live messages that the node reads; kept in the lease
--          5  1 to renew it, if it and the node's mark in the hash are still there; 0 to begin it
-- Returns  1, or 0 if there was nothing to renew.
local lost = replace_wrong_type(KEYS[1], 'hash')
local function lives(node) return redis.call('EXISTS', ARGV[3] .. node) == 1 end
if ARGV[5] == '1' then
  if lost or not has_mark(KEYS[1], ARGV[1]) or not lives(ARGV[1]) then return 0 end
else
  set_mark(KEYS[1], ARGV[1], lives)
end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[2])
return 1
