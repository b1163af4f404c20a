-- Locks the next tasks of each vendor: by priority, then one of each job in turn, of no more jobs than there is room
-- for. The turn goes round: it begins behind the job that was served last, and comes back to it in a second lap. What
-- somebody cancelled or released meanwhile is none of them: once locked, only the row itself is looked at again.
-- $1 vendors text[], $2 priorities smallint[], $3 rooms integer[], $4 served_last uuid[], $5 full_jobs uuid[] (passed over)
WITH wanted AS (
    SELECT vendor, priority, room, served_last
    FROM unnest($1::text[], $2::smallint[], $3::integer[], $4::uuid[]) AS given (vendor, priority, room, served_last)
),
candidates AS (
    SELECT wanted.vendor, wanted.priority, wanted.room, job.lap, job.job_id, next.id, next.turn
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT waiting.lap, waiting.job_id, count(*) OVER () AS jobs
        FROM (
            WITH RECURSIVE round AS (
                SELECT wanted.served_last AS job_id, 0 AS lap, false AS waits
                UNION ALL
                SELECT following.job_id, following.lap, true
                FROM round
                CROSS JOIN LATERAL (
                    (
                        SELECT tasks.job_id, round.lap FROM tasks
                        WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority
                            AND tasks.state = 'planned' AND tasks.job_id > round.job_id
                            AND (round.lap = 0 OR tasks.job_id <= wanted.served_last)
                        ORDER BY tasks.job_id
                        LIMIT 1
                    )
                    UNION ALL
                    (
                        SELECT tasks.job_id, 1 FROM tasks
                        WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority
                            AND tasks.state = 'planned' AND round.lap = 0 AND tasks.job_id <= wanted.served_last
                        ORDER BY tasks.job_id
                        LIMIT 1
                    )
                    ORDER BY lap
                    LIMIT 1
                ) AS following
            )
            SELECT round.lap, round.job_id FROM round
            WHERE round.waits AND round.job_id <> ALL ($5::uuid[])
                AND (SELECT jobs.state FROM jobs WHERE jobs.id = round.job_id) = 'running'
            LIMIT wanted.room
        ) AS waiting
    ) AS job
    CROSS JOIN LATERAL (
        SELECT tasks.id, row_number() OVER (ORDER BY tasks.number) AS turn
        FROM tasks
        WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority AND tasks.job_id = job.job_id
            AND tasks.state = 'planned'
        ORDER BY tasks.number
        LIMIT 1 + 2 * wanted.room / job.jobs
    ) AS next
),
ranked AS (
    SELECT id, room, row_number() OVER (PARTITION BY vendor ORDER BY priority, turn, lap, job_id) AS place
    FROM candidates
)
SELECT tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.vendor, tasks.priority, tasks.purpose, tasks.call,
    tasks.wanted, tasks.position, tasks.cursor, tasks.slice, tasks.input
FROM tasks
JOIN ranked ON ranked.id = tasks.id AND ranked.place <= ranked.room
WHERE tasks.rank = 0
ORDER BY ranked.place
FOR UPDATE OF tasks SKIP LOCKED
