-- Seconds until the next timer is due, negative if it is overdue; a minute if there is none.
SELECT coalesce(
    extract(epoch FROM (SELECT due_at FROM timers ORDER BY due_at, id LIMIT 1) - statement_timestamp())::float8, 60
)
