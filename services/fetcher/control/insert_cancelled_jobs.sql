-- Remembers cancelled jobs. $1 job_ids uuid[]
INSERT INTO cancelled_jobs (job_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING
