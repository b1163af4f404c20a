-- Vendors with calls that are due, by skipping from one vendor to the next in the index.
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
SELECT vendor FROM busy
WHERE vendor IS NOT NULL
    AND (
        SELECT true FROM calls WHERE calls.vendor = busy.vendor AND state = 'waiting' AND not_before <= now()
        ORDER BY priority, created_at LIMIT 1
    )
