-- Locks the next tasks of each vendor: by priority, then one of each job in turn, of no more jobs than there is room
-- for. What somebody cancelled or released meanwhile is none of them: once locked, only the row itself is looked at again.
-- $1 vendors text[], $2 rooms integer[]
WITH wanted AS (
    SELECT vendor, room FROM unnest($1::text[], $2::integer[]) AS given (vendor, room)
),
candidates AS (
    SELECT wanted.vendor, wanted.room, job.priority, next.id, next.turn
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT waiting.priority, waiting.job_id, count(*) OVER () AS jobs
        FROM (
            WITH RECURSIVE skip AS (
                (
                    SELECT tasks.priority, tasks.job_id FROM tasks
                    WHERE tasks.vendor = wanted.vendor AND tasks.state = 'planned'
                    ORDER BY tasks.priority, tasks.job_id
                    LIMIT 1
                )
                UNION ALL
                SELECT following.priority, following.job_id
                FROM skip
                CROSS JOIN LATERAL (
                    SELECT tasks.priority, tasks.job_id FROM tasks
                    WHERE tasks.vendor = wanted.vendor AND tasks.state = 'planned'
                        AND (tasks.priority, tasks.job_id) > (skip.priority, skip.job_id)
                    ORDER BY tasks.priority, tasks.job_id
                    LIMIT 1
                ) AS following
            )
            SELECT skip.priority, skip.job_id FROM skip
            WHERE (SELECT jobs.state FROM jobs WHERE jobs.id = skip.job_id) = 'running'
            LIMIT wanted.room
        ) AS waiting
    ) AS job
    CROSS JOIN LATERAL (
        SELECT tasks.id, row_number() OVER (ORDER BY tasks.number) AS turn
        FROM tasks
        WHERE tasks.vendor = wanted.vendor AND tasks.priority = job.priority AND tasks.job_id = job.job_id
            AND tasks.state = 'planned'
        ORDER BY tasks.number
        LIMIT 1 + 2 * wanted.room / job.jobs
    ) AS next
),
ranked AS (
    SELECT id, room, row_number() OVER (PARTITION BY vendor ORDER BY priority, turn, id) AS place FROM candidates
)
SELECT tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.vendor, tasks.purpose, tasks.call, tasks.wanted,
    tasks.position, tasks.cursor, tasks.slice, tasks.input
FROM tasks
JOIN ranked ON ranked.id = tasks.id AND ranked.place <= ranked.room
WHERE tasks.rank = 0
ORDER BY ranked.place
FOR UPDATE OF tasks SKIP LOCKED
