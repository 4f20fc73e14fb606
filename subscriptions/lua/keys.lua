-- Comes before every script.
--
-- replace_wrong_type(key, kind) deletes a key that is of another type than Parley gives it: every
-- command on it would fail for ever. That is a loss like others, which whoever wrote the key repairs.
-- Returns whether it was deleted.
local function replace_wrong_type(key, kind)
  local found = redis.call('TYPE', key).ok
  if found == kind or found == 'none' then return false end
  redis.call('DEL', key)
  return true
end
