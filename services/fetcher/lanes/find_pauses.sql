-- Vendors that are paused, the seconds for which each still is, and its faults in a row.
SELECT vendor, extract(epoch FROM paused_until - clock_timestamp())::float8 AS paused_seconds, faults
FROM budgets
WHERE paused_until > now()
