-- The schedules for which there is something to do, locked, the earliest first, until they have so many bytes; at
-- least one.
-- $1 most bigint
-- $2 most_bytes bigint
WITH due AS (
    SELECT id, document, state, anchor, next_at, id_used, due_at
    FROM schedules
    WHERE due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT *,
        coalesce(
            sum(octet_length(document::text)) OVER (
                ORDER BY due_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            0
        ) AS bytes_before
    FROM due
)
SELECT id, document, state, anchor, next_at, id_used
FROM sized
WHERE bytes_before < $2
ORDER BY due_at, id
