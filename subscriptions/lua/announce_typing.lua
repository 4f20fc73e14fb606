-- Decides whether what a typer does is to be announced, and notes it.
--
-- KEYS     1  the typer's last announcement in the channel: "<1 types, 0 no longer> <ms of Valkey's
--             clock>"; it ends with what it announced
-- ARGV     1  1 types, 0 no longer
--          2  the interval between announcements, in ms
--          3  for how long one holds, in ms
-- Returns  1 if it is to be announced, now, and when the last announcement was, in ms.
replace_wrong_type(KEYS[1], 'string')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('GET', KEYS[1])
local typing = found and string.sub(found, 1, 1) == '1'
local begun = found and tonumber(string.sub(found, 3)) or 0
if ARGV[1] == '1' then
  if found and now - begun < tonumber(ARGV[2]) then return {0, now, begun} end
  redis.call('SET', KEYS[1], '1 ' .. string.format('%.0f', now), 'PX', ARGV[3])
  return {1, now, now}
end
if not typing then return {0, now, begun} end
redis.call('SET', KEYS[1], '0 ' .. string.format('%.0f', begun), 'KEEPTTL')
return {1, now, begun}
