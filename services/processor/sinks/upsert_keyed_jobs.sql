-- From when on the keys of jobs may be forgotten; once in an hour for each, so that the members of the group seldom wait for each other. $1 job_ids uuid[], $2 keep interval
INSERT INTO keyed_jobs (job_id, due_at)
SELECT job_id, now() + $2::interval FROM unnest($1::uuid[]) AS given (job_id)
WHERE NOT EXISTS (
    SELECT FROM keyed_jobs AS kept
    WHERE kept.job_id = given.job_id AND kept.due_at > now() + $2::interval - interval '1 hour'
)
ON CONFLICT (job_id) DO UPDATE SET due_at = greatest(excluded.due_at, keyed_jobs.due_at)
