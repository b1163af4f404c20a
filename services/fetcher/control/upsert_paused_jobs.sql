-- Jobs that are paused, unless something later is known of them. $1 job_ids uuid[], $2 told_at timestamptz[]
INSERT INTO paused_jobs (job_id, paused, told_at)
SELECT job_id, true, told_at FROM unnest($1::uuid[], $2::timestamptz[]) AS given (job_id, told_at)
ON CONFLICT (job_id) DO UPDATE SET paused = true, told_at = excluded.told_at, noted_at = now()
WHERE paused_jobs.told_at < excluded.told_at
