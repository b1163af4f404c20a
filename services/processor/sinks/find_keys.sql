-- Which of these keys each task was the first to bring. $1 job_ids uuid[], $2 keys text[], $3 task_ids uuid[]
SELECT kept.task_id, array_agg(DISTINCT kept.key) AS keys
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS given (job_id, key, task_id)
JOIN job_keys AS kept ON kept.job_id = given.job_id AND kept.key = given.key AND kept.task_id = given.task_id
GROUP BY kept.task_id
