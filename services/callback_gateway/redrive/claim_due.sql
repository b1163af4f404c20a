-- Letters whose turn it is, locked, until they have so many bytes; at least one. Those of orders whose turns are long past
-- get new turns instead.
-- $1 most bigint
-- $2 most_bytes bigint
-- $3 late interval
WITH due AS (
    SELECT id, document, round, redrives, due_at
    FROM dead_letters
    WHERE state = 'redriving' AND due_at <= now() AND (due_at > now() - $3::interval OR apart = interval '0')
    ORDER BY due_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT *, coalesce(sum(octet_length(document::text)) OVER (
        ORDER BY due_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS bytes_before
    FROM due
)
SELECT id, document, round, redrives
FROM sized
WHERE bytes_before < $2
ORDER BY due_at, id
