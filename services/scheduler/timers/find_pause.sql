-- Seconds until the next timer is due.
SELECT coalesce(
    extract(epoch FROM (SELECT due_at FROM timers ORDER BY due_at, id LIMIT 1) - clock_timestamp())::float8, 60
)
