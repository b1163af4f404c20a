-- Vendors that calls wait for, by skipping from one to the next in the index.
WITH RECURSIVE busy AS (
    (SELECT vendor FROM calls WHERE state = 'waiting' ORDER BY vendor LIMIT 1)
    UNION ALL
    SELECT (SELECT calls.vendor FROM calls WHERE state = 'waiting' AND calls.vendor > busy.vendor ORDER BY calls.vendor LIMIT 1)
    FROM busy
    WHERE busy.vendor IS NOT NULL
)
SELECT vendor FROM busy WHERE vendor IS NOT NULL
