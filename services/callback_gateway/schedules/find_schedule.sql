-- One schedule. $1 id uuid
SELECT id, name, document, state, next_at, reason, mistakes, created_at, changed_at FROM schedules WHERE id = $1
