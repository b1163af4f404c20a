-- Jobs that go on. What their calls waited for a limit before the pause is no part of the stall that may come. $1 job_ids uuid[], $2 reported_at timestamptz[]
WITH resumed AS (
    UPDATE paused_jobs SET paused = false, reported_at = given.reported_at, noted_at = now()
    FROM unnest($1::uuid[], $2::timestamptz[]) AS given (job_id, reported_at)
    WHERE paused_jobs.job_id = given.job_id AND paused_jobs.reported_at < given.reported_at
    RETURNING paused_jobs.job_id
)
UPDATE calls SET limited_since = NULL
WHERE job_id IN (SELECT job_id FROM resumed) AND state = 'waiting' AND limited_since IS NOT NULL
