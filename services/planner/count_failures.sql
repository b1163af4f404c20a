-- Failed tasks of each job by reason, the twenty commonest; with how many in all are dead, and expired. $1 job_ids uuid[]
SELECT job.id AS job_id, failed.reason, failed.count, failed.dead, failed.expired
FROM unnest($1::uuid[]) AS job (id)
CROSS JOIN LATERAL (
    SELECT split_part(tasks.reason, ':', 1) AS reason, count(*)::integer AS count,
        (sum(count(*) FILTER (WHERE tasks.state = 'dead')) OVER ())::integer AS dead,
        (sum(count(*) FILTER (WHERE tasks.state = 'expired')) OVER ())::integer AS expired
    FROM tasks
    WHERE tasks.job_id = job.id AND tasks.state IN ('failed', 'dead', 'expired')
    GROUP BY 1
    ORDER BY 2 DESC, 1
    LIMIT 20
) AS failed
ORDER BY job.id, failed.count DESC, failed.reason
