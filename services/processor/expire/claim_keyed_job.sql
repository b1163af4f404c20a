-- A job whose keys may be forgotten, locked.
SELECT job_id FROM keyed_jobs WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
