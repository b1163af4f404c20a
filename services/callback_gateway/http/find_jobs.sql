-- Jobs, newest first. $1 state text (null: any), $2 after uuid (null: from the newest), $3 most bigint
SELECT id, kind, state, vendor, source, created_at, updated_at, ended_at, reason, note, mistakes, planned, completed,
    failed, cancelled, records, distinct_records, expected, complete, answer, failures, sinks, all_known, lately_done,
    lately_seconds, reported_at, dead, expired, correlation_id
FROM jobs
WHERE ($1::text IS NULL OR state = $1)
    AND ($2::uuid IS NULL OR (created_at, id) < (SELECT last.created_at, last.id FROM jobs AS last WHERE last.id = $2))
ORDER BY created_at DESC, id DESC
LIMIT $3
