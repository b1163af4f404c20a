-- Jobs whose specification has mistakes. $1 ids uuid[], $2 mistakes jsonb[], $3 at timestamptz[], $4 correlation_ids uuid[]
INSERT INTO jobs (id, state, mistakes, reason, created_at, ended_at, correlation_id)
SELECT id, 'rejected', mistakes, 'the specification has mistakes', at, at, correlation_id
FROM unnest($1::uuid[], $2::jsonb[], $3::timestamptz[], $4::uuid[]) AS given (id, mistakes, at, correlation_id)
ON CONFLICT (id) DO UPDATE
SET state = 'rejected', mistakes = excluded.mistakes, reason = excluded.reason, ended_at = excluded.ended_at,
    correlation_id = excluded.correlation_id, updated_at = now()
WHERE jobs.state = 'requested'
