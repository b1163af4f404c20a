-- Calls that have not been made, by vendor: planned ones, and those that are released or with the fetcher. A task that
-- waits for a callback is not counted. The first two conditions on the latter are those of the index.
-- Ranks: `TaskState`.
SELECT vendor, sum(planned)::bigint AS planned, sum(outstanding)::bigint AS outstanding
FROM (
    SELECT vendor, count(*) AS planned, 0 AS outstanding FROM tasks WHERE state = 'planned' GROUP BY vendor
    UNION ALL
    SELECT vendor, 0, count(*)
    FROM tasks
    WHERE rank BETWEEN 1 AND 4 AND state <> 'waiting' AND rank <= 2
    GROUP BY vendor
) AS counted
GROUP BY vendor
