-- Schedules in a state, newest first, until they have so many bytes, at least one, and how many there were for this
-- page.
-- $1 state text
-- $2 after uuid (null: from the newest)
-- $3 most bigint
-- $4 most_bytes bigint
WITH found AS (
    SELECT id, name, document, state, next_at, reason, mistakes, created_at, changed_at
    FROM schedules
    WHERE state = $1
        AND (
            $2::uuid IS NULL
            OR (created_at, id) < (SELECT last.created_at, last.id FROM schedules AS last WHERE last.id = $2)
        )
    ORDER BY created_at DESC, id DESC
    LIMIT $3
), sized AS (
    SELECT *, count(*) OVER () AS found, coalesce(sum(octet_length(document::text)) OVER (
        ORDER BY created_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS bytes_before
    FROM found
)
SELECT id, name, document, state, next_at, reason, mistakes, created_at, changed_at, found
FROM sized
WHERE bytes_before < $4
ORDER BY created_at DESC, id DESC
