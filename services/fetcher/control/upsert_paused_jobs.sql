-- Jobs that are paused, unless something later is known of them. $1 job_ids uuid[], $2 reported_at timestamptz[]
INSERT INTO paused_jobs (job_id, paused, reported_at)
SELECT job_id, true, reported_at FROM unnest($1::uuid[], $2::timestamptz[]) AS given (job_id, reported_at)
ON CONFLICT (job_id) DO UPDATE SET paused = true, reported_at = excluded.reported_at, noted_at = now()
WHERE paused_jobs.reported_at < excluded.reported_at
