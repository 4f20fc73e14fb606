-- Takes tokens from token buckets, many in one call, for one process. A bucket holds at most its
-- amount, and what was taken comes back evenly over its window, by Valkey's clock.
--
-- KEYS     1  what the keys of all buckets begin with; the hash tag in it puts them in one place.
--             A bucket's key holds "<tokens it held> <ms of Valkey's clock>". Absent: full. It ends
--             by itself when the bucket would be full again.
-- ARGV     1  a line for each bucket, of five words (one text, since a client packs each argument
--             by itself, which costs more than all that is done here):
--               the end of its key
--               amount: the tokens of a full bucket
--               window: the seconds in which an empty one fills
--               owed: tokens that were used already; deducted in any case, down to minus the amount
--               wanted: tokens to take in hand; as many are given as there are
-- Returns  two integers for each line: the tokens given, and a thousand times those that are left
--          (below 0 while the bucket owes).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for name, amount, window, owed, wanted in string.gmatch(
  ARGV[1], '(%S+) (%d+) (%d+) (%d+) (%d+)'
) do
  local key = KEYS[1] .. name
  amount, window = tonumber(amount), tonumber(window) * 1000
  local held = amount
  replace_wrong_type(key, 'string')
  local tokens, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  tokens, at = tonumber(tokens), tonumber(at)
  if tokens and at then
    held = math.min(amount, tokens + math.max(0, now - at) * amount / window)
  end
  held = math.max(-amount, held - tonumber(owed))
  local given = math.max(0, math.min(tonumber(wanted), math.floor(held)))
  held = held - given
  local full_in = math.ceil((amount - held) * window / math.max(amount, 1)) + 1
  redis.call('SET', key, string.format('%.3f %.0f', held, now), 'PX', full_in)
  answer[#answer + 1] = given
  answer[#answer + 1] = math.floor(held * 1000)
end
return answer
