-- Schedules that are not removed, newest first. $1 after uuid (null: from the newest), $2 most bigint
SELECT id, name, document, state, next_at, reason, mistakes, created_at, changed_at
FROM schedules
WHERE state <> 'removed'
    AND (
        $1::uuid IS NULL
        OR (created_at, id) < (SELECT last.created_at, last.id FROM schedules AS last WHERE last.id = $1)
    )
ORDER BY created_at DESC, id DESC
LIMIT $2
