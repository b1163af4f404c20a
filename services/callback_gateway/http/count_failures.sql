-- Failed tasks of a job by reason. $1 job_id uuid
SELECT split_part(reason, ':', 1) AS reason, count(*)::integer AS count
FROM tasks
WHERE job_id = $1 AND state IN ('failed', 'dead', 'expired')
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 20
