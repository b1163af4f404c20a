-- Seconds until the next schedule is due, negative if it is overdue; a minute if there is none.
SELECT coalesce(
    extract(
        epoch FROM (SELECT due_at FROM schedules WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT 1)
            - statement_timestamp()
    )::float8,
    60
)
