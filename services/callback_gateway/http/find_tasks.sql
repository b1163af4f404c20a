-- Tasks of a job, each with its latest callbacks. $1 job_id uuid, $2 state text (null: any), $3 after integer, $4 most bigint
SELECT number, id, round, state, records, reason, attempts, times, vendor_job,
    ARRAY(
        SELECT jsonb_build_object(
            'id', callbacks.id, 'verdict', verdict, 'reported', reported, 'received_at', to_jsonb(received_at)
        )
        FROM callbacks
        WHERE callbacks.task_id = tasks.id
        ORDER BY callbacks.id DESC
        LIMIT 20
    ) AS callbacks
FROM tasks
WHERE job_id = $1 AND number > $3 AND ($2::text IS NULL OR state = $2)
ORDER BY number
LIMIT $4
