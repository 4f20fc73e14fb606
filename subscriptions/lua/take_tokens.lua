-- Takes tokens from token buckets, many in one call, for one process. A bucket holds at most its
-- amount, and what was taken comes back evenly over its window, by Valkey's clock.
--
-- KEYS     one for each bucket: "<tokens it held> <ms of Valkey's clock>". Absent: full. A key ends
--          by itself when its bucket would be full again.
-- ARGV     four for each key, in the order of KEYS:
--            1  amount: the tokens of a full bucket
--            2  window: the ms in which an empty one fills
--            3  owed: tokens that were used already; deducted in any case, down to minus the amount
--            4  wanted: tokens to take in hand; as many are given as there are
-- Returns  two integers for each key: the tokens given, and a thousand times those that are left
--          (below 0 while the bucket owes).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for i, key in ipairs(KEYS) do
  local amount, window = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local owed, wanted = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local held = amount
  replace_wrong_type(key, 'string')
  local tokens, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  tokens, at = tonumber(tokens), tonumber(at)
  if tokens and at then
    held = math.min(amount, tokens + math.max(0, now - at) * amount / window)
  end
  held = math.max(-amount, held - owed)
  local given = math.max(0, math.min(wanted, math.floor(held)))
  held = held - given
  local full_in = math.ceil((amount - held) * window / math.max(amount, 1)) + 1
  redis.call('SET', key, string.format('%.3f %.0f', held, now), 'PX', full_in)
  answer[2 * i - 1] = given
  answer[2 * i] = math.floor(held * 1000)
end
return answer
