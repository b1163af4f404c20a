-- Calls that have not been made, by vendor: planned ones, and those that are on their way. What waits for a callback is
-- none of them, and the first two conditions on the latter are those of the index.
-- Ranks: 1 released; 2 with the fetcher, or waiting; 3 and 4 fetched, and not yet processed.
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
