-- Jobs that were asked for. Their events bring the rows again, so a commit need not wait for the disk. $1 ids uuid[]
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO jobs (id, state)
SELECT given.id, 'requested' FROM quick, unnest($1::uuid[]) AS given (id)
ON CONFLICT (id) DO NOTHING
