-- Forgets calls of cancelled jobs that came to wait again after the cancellation.
DELETE FROM calls USING cancelled_jobs WHERE calls.job_id = cancelled_jobs.job_id AND calls.state = 'waiting' AND NOT calls.outlives
