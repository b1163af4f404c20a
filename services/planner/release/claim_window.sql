-- Locks the next tasks of each vendor: by priority, then one of each job in turn, of no more jobs than its quota
-- allows. The turn goes round: it begins behind the job that was served last, and comes back to it in a second lap. It
-- leaps from the next job with planned tasks to the next that runs, and back, until they are the same: neither many
-- paused jobs take long, nor many that have nothing planned. What somebody cancelled or released meanwhile is none of
-- them: once locked, only the row itself is looked at again. All calls together are as large as $6, or larger by one:
-- each vendor has the same share of that, and what one does not need the others have.
-- Ranks: `TaskState`.
-- $1 vendors text[]
-- $2 priorities smallint[]
-- $3 quotas integer[]
-- $4 served_last uuid[]
-- $5 full_jobs uuid[] (passed over)
-- $6 most_bytes bigint
WITH wanted AS (
    SELECT vendor, priority, quota, served_last
    FROM unnest($1::text[], $2::smallint[], $3::integer[], $4::uuid[]) AS given (vendor, priority, quota, served_last)
),
candidates AS (
    SELECT wanted.vendor, wanted.priority, wanted.quota, job.lap, job.job_id, next.id, next.turn, next.call_bytes
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT waiting.lap, waiting.job_id, count(*) OVER () AS jobs
        FROM (
            SELECT part.lap, found.job_id
            FROM (
                VALUES (0, wanted.served_last, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                    (1, '00000000-0000-0000-0000-000000000000'::uuid, wanted.served_last)
            ) AS part (lap, after, until)
            CROSS JOIN LATERAL (
                WITH RECURSIVE round AS (
                    SELECT part.after AS job_id, part.after AS running
                    UNION ALL
                    SELECT next.job_id, next.running
                    FROM round
                    CROSS JOIN LATERAL (
                        SELECT planned.job_id, (
                            SELECT jobs.id FROM jobs
                            WHERE jobs.vendor = wanted.vendor AND jobs.priority = wanted.priority
                                AND jobs.state = 'running' AND jobs.id >= planned.job_id AND jobs.id <= part.until
                            ORDER BY jobs.id
                            LIMIT 1
                        ) AS running
                        FROM (
                            SELECT tasks.job_id FROM tasks
                            WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority
                                AND tasks.state = 'planned' AND tasks.job_id > round.job_id
                                AND tasks.job_id >= round.running AND tasks.job_id <= part.until
                            ORDER BY tasks.job_id
                            LIMIT 1
                        ) AS planned
                    ) AS next
                )
                SELECT round.job_id FROM round
                WHERE round.job_id = round.running AND round.job_id > part.after AND round.job_id <> ALL ($5::uuid[])
            ) AS found
            LIMIT wanted.quota
        ) AS waiting
    ) AS job
    CROSS JOIN LATERAL (
        SELECT tasks.id, tasks.call_bytes, row_number() OVER (ORDER BY tasks.number) AS turn
        FROM tasks
        WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority AND tasks.job_id = job.job_id
            AND tasks.state = 'planned'
        ORDER BY tasks.number
        LIMIT 1 + 2 * wanted.quota / job.jobs
    ) AS next
),
ranked AS (
    SELECT id, vendor, quota, call_bytes,
        row_number() OVER (PARTITION BY vendor ORDER BY priority, turn, lap, job_id) AS place
    FROM candidates
),
weighed AS (
    SELECT id, place, call_bytes, sum(call_bytes) OVER (PARTITION BY vendor ORDER BY place) AS vendor_bytes
    FROM ranked
    WHERE place <= quota
),
fitting AS (
    SELECT id, place, sum(call_bytes) OVER (ORDER BY vendor_bytes, id) - call_bytes AS bytes_before
    FROM weighed
)
SELECT tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.vendor, tasks.priority, tasks.purpose, tasks.call,
    tasks.wanted, tasks.position, tasks.cursor, tasks.slice, tasks.input, tasks.expects_list
FROM tasks
JOIN fitting ON fitting.id = tasks.id AND fitting.bytes_before < $6
WHERE tasks.rank = 0
ORDER BY fitting.place
FOR UPDATE OF tasks SKIP LOCKED
