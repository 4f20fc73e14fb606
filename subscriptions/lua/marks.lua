-- The mark of a node in a hash of users: the field "nodes" lists the living nodes that have written to
-- the hash. A node whose mark is missing knows that the hash was lost, with its own users in it.

-- Marks the node, and takes out those that are dead. `lives` says whether a node is alive.
local function set_mark(hash, node, lives)
  local marked = {node}
  for other in string.gmatch(redis.call('HGET', hash, 'nodes') or '', '%S+') do
    if other ~= node and lives(other) then marked[#marked + 1] = other end
  end
  redis.call('HSET', hash, 'nodes', table.concat(marked, ' '))
end

local function has_mark(hash, node)
  local marked = redis.call('HGET', hash, 'nodes')
  return marked and string.find(marked, node, 1, true)
end
