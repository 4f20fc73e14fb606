-- Lists whom a node holds.
--
-- ARGV     4  how many at most, any of them; 0 for all
-- Returns  the ids of users.
local key = ARGV[2] .. ARGV[3]
if ARGV[4] == '0' then return redis.call('SMEMBERS', key) end
return redis.call('SRANDMEMBER', key, ARGV[4])
