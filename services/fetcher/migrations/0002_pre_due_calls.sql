-- Calls that may be made now: their time has come, and their job, if they end with it, is neither cancelled nor paused.
CREATE VIEW due_calls AS
SELECT id, job_id, vendor, priority, repeatable, attempt, not_before, created_at, taken_from
FROM calls
WHERE state = 'waiting' AND not_before <= now()
    AND (
        outlives
        OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = calls.job_id)
        AND NOT EXISTS (SELECT FROM paused_jobs WHERE paused_jobs.job_id = calls.job_id AND paused_jobs.paused)
    );
