-- Vendors with calls that are due, and the seconds for which each is still paused, by skipping from one vendor to the next in the index. $1 suspects boolean, $2 suspect_from integer
WITH RECURSIVE busy AS (
    (SELECT vendor FROM calls WHERE state = 'waiting' ORDER BY vendor LIMIT 1)
    UNION ALL
    SELECT (
        SELECT calls.vendor FROM calls WHERE state = 'waiting' AND calls.vendor > busy.vendor
        ORDER BY calls.vendor LIMIT 1
    )
    FROM busy
    WHERE busy.vendor IS NOT NULL
)
SELECT busy.vendor, coalesce(extract(epoch FROM budgets.paused_until - clock_timestamp()), 0)::float8 AS paused_seconds
FROM busy
LEFT JOIN budgets ON budgets.vendor = busy.vendor
WHERE busy.vendor IS NOT NULL
    AND (
        SELECT true FROM due_calls
        WHERE due_calls.vendor = busy.vendor AND ($1 OR cardinality(taken_from) < $2)
        ORDER BY priority, created_at LIMIT 1
    )
