-- One job. $1 id uuid
SELECT id, kind, state, vendor, source, created_at, updated_at, ended_at, reason, note, mistakes, planned, completed,
    failed, cancelled, records, distinct_records, expected, complete, answer, failures, sinks, all_known, lately_done,
    lately_seconds, reported_at, dead, expired, correlation_id
FROM jobs
WHERE id = $1
