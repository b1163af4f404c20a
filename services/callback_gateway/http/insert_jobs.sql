-- Jobs that were asked for. Their events bring the rows again, so a commit need not wait for the disk. $1 ids uuid[], $2 kinds text[]
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO jobs (id, kind, state)
SELECT given.id, given.kind, 'requested' FROM quick, unnest($1::uuid[], $2::text[]) AS given (id, kind)
ON CONFLICT (id) DO NOTHING
