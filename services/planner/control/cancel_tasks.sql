-- Ends a block of the open tasks of a job. Ranks: `TaskState`.
-- $1 job_id uuid
-- $2 least_rank smallint (1: not those that are only planned)
-- $3 after integer (a number)
-- $4 most bigint
-- $5 abort_bytes bigint: of the call that ends the vendor's job of a submit, without its input
-- $6 times bigint: how often values of the input stand in it
-- $7 most_bytes bigint: of these calls, unless there is only one
UPDATE tasks SET state = 'cancelled', rank = 9, ended_at = now()
FROM (
    SELECT id, row_number() OVER by_number AS place, sum(bytes) OVER by_number AS bytes
    FROM (
        SELECT id, number,
            CASE WHEN purpose = 'submit' AND deadline_at IS NOT NULL
                THEN $5::bigint + $6::bigint * octet_length(input::text) ELSE 0 END AS bytes
        FROM tasks
        WHERE job_id = $1 AND rank >= $2 AND rank < 9 AND number > $3
        ORDER BY number
        LIMIT $4
    ) AS next_open
    WINDOW by_number AS (ORDER BY number)
) AS block
WHERE tasks.id = block.id AND tasks.rank < 9 AND (block.place = 1 OR block.bytes <= $7::bigint)
RETURNING tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.deadline_at, tasks.vendor_job,
    CASE WHEN tasks.purpose = 'submit' AND tasks.deadline_at IS NOT NULL THEN tasks.input END AS input
