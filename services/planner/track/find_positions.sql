-- What tasks had asked, and the digest of the page before each. $1 ids uuid[]
SELECT tasks.id, tasks.job_id, tasks.purpose, tasks.call, tasks.wanted, tasks.position, tasks.cursor,
    coalesce(previous.digest, '') AS previous_digest
FROM tasks
LEFT JOIN tasks AS previous ON previous.id <> tasks.id AND previous.job_id = tasks.job_id
    AND previous.number = tasks.number - 1
WHERE tasks.id = ANY ($1)
ORDER BY tasks.job_id, tasks.number
