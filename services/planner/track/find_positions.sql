-- What tasks had asked, the digest of the page before each, and the submit whose results they are. $1 ids uuid[]
SELECT tasks.id, tasks.job_id, tasks.number, tasks.purpose, tasks.call, tasks.wanted, tasks.position, tasks.unique_key,
    tasks.slice, tasks.input, tasks.expects_list, submit.input AS submit_input, submit.vendor_job,
    coalesce(
        CASE WHEN tasks.slice IS NULL THEN (
            SELECT previous.digest FROM tasks AS previous
            WHERE previous.job_id = tasks.job_id AND previous.number = tasks.number - 1 AND previous.purpose = 'page'
        ) ELSE (
            SELECT previous.digest FROM tasks AS previous
            WHERE previous.job_id = tasks.job_id AND previous.slice = tasks.slice AND previous.number < tasks.number
                AND previous.purpose = 'page'
            ORDER BY previous.number DESC
            LIMIT 1
        ) END,
        ''
    ) AS previous_digest
FROM tasks
LEFT JOIN tasks AS submit ON submit.job_id = tasks.job_id AND submit.number = tasks.slice
WHERE tasks.id = ANY ($1)
ORDER BY tasks.job_id, tasks.number
