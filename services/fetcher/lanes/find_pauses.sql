-- Vendors that are paused, and the seconds for which each still is.
SELECT vendor, extract(epoch FROM paused_until - clock_timestamp())::float8 AS paused_seconds
FROM budgets
WHERE paused_until > now()
