-- Jobs whose specification has mistakes. $1 ids uuid[], $2 mistakes jsonb[], $3 at timestamptz[]
INSERT INTO jobs (id, state, mistakes, reason, created_at, ended_at)
SELECT id, 'rejected', mistakes, 'the specification has mistakes', at, at
FROM unnest($1::uuid[], $2::jsonb[], $3::timestamptz[]) AS given (id, mistakes, at)
ON CONFLICT (id) DO UPDATE
SET state = 'rejected', mistakes = excluded.mistakes, reason = excluded.reason, ended_at = excluded.ended_at,
    updated_at = now()
WHERE jobs.state = 'requested'
