-- What is mapped at the end of a timeline, by container: for each IOVA the last event that made or
-- removed a mapping there, since the container's last release.
WITH events AS (
    SELECT type, action, t, container, iova, size, result, vaddr_only, raced
    FROM read_json('TIMELINE', format = 'newline_delimited',
                   columns = {type: 'VARCHAR', action: 'VARCHAR', t: 'UBIGINT', container: 'VARCHAR', iova: 'VARCHAR', size: 'UBIGINT', result: 'INTEGER',
                              vaddr_only: 'BOOLEAN', raced: 'BOOLEAN'})
    WHERE container IS NOT NULL
), released AS (
    SELECT container, max(t) AS t FROM events WHERE type = 'container' AND action = 'release' GROUP BY container
), latest AS (
    SELECT container, iova, arg_max(type, t) AS type, arg_max(size, t) AS size, max(t) AS t
    FROM events
    WHERE (type = 'map' AND result = 0 AND vaddr_only IS NULL AND raced IS NULL) OR (type = 'unmap' AND action = 'removed')
    GROUP BY container, iova
)
SELECT container, count(*) AS mappings, sum(size)::UBIGINT AS bytes
FROM latest ANTI JOIN released ON latest.container = released.container AND latest.t < released.t
WHERE type = 'map' GROUP BY container ORDER BY container
