# jq -n -f rebuild.jq TIMELINE: what is mapped at the end, per container.
reduce inputs as $e ({};
  if $e.type == "map" then
    if $e.result == 0 and ($e.vaddr_only | not) and ($e.raced | not) then .[$e.container][$e.iova] = $e.size else . end
  elif $e.type == "unmap" then
    if $e.action == "removed" then delpaths([[$e.container, $e.iova]]) else . end
  elif $e.type == "container" and $e.action == "release" then delpaths([[$e.container]])
  else . end)
| map_values({mappings: length, bytes: (add // 0)})
