-- Shows which secret a process has, and tells which ones others have shown.
--
-- KEYS     1  the fingerprints, by when they were shown last, in seconds of Valkey's clock
-- ARGV     1  that of the process
--          2  for how many seconds one counts
-- Returns  all fingerprints that count.
replace_wrong_type(KEYS[1], 'zset')
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - tonumber(ARGV[2])))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
