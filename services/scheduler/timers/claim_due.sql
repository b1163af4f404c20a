-- The timers whose time has come, locked, the earliest first, until they have so many bytes; at least one.
-- $1 most bigint
-- $2 most_bytes bigint
-- statement_timestamp() bounds the index scan; clock_timestamp() is volatile and would read all that is pending.
WITH due AS (
    SELECT id, due_at, topic, key, value, headers
    FROM timers
    WHERE due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT *,
        coalesce(
            sum(octet_length(value)) OVER (
                ORDER BY due_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            0
        ) AS bytes_before
    FROM due
)
SELECT id, due_at, topic, key, value, headers, extract(epoch FROM statement_timestamp() - due_at)::float8 AS lateness
FROM sized
WHERE bytes_before < $2
ORDER BY due_at, id
