-- Tasks of a job by state. $1 job_id uuid
SELECT state, count(*)::integer AS count FROM tasks WHERE job_id = $1 GROUP BY state
