-- Schedules in a state, newest first. $1 state text, $2 after uuid (null: from the newest), $3 most bigint
SELECT id, name, document, state, next_at, reason, mistakes, created_at, changed_at
FROM schedules
WHERE state = $1
    AND (
        $2::uuid IS NULL
        OR (created_at, id) < (SELECT last.created_at, last.id FROM schedules AS last WHERE last.id = $2)
    )
ORDER BY created_at DESC, id DESC
LIMIT $3
