-- Locks the next tasks of each vendor: by priority, then one task of each job in turn, up to the vendor's quota. The
-- calls of all of them are together as large as $6, or larger by one call. Ranks: `TaskState`.
-- $1 vendors text[]
-- $2 priorities smallint[]
-- $3 quotas integer[]
-- $4 served_last uuid[] (the job that had the last turn)
-- $5 full_jobs uuid[] (passed over)
-- $6 most_bytes bigint
WITH wanted AS (
    -- A row for each vendor and priority.
    SELECT vendor, priority, quota, served_last
    FROM unnest($1::text[], $2::smallint[], $3::integer[], $4::uuid[]) AS given (vendor, priority, quota, served_last)
),
candidates AS (
    SELECT wanted.vendor, wanted.priority, wanted.quota, job.lap, job.job_id, task.id, task.turn, task.call_bytes
    FROM wanted
    -- The jobs whose turn it is, no more than the quota. `jobs`: how many they are.
    CROSS JOIN LATERAL (
        SELECT in_turn.lap, in_turn.job_id, count(*) OVER () AS jobs
        FROM (
            SELECT lap.lap, running_job.job_id
            -- The first lap goes from behind the job that was served last to the end of all jobs, the second from the
            -- beginning to that job.
            FROM (
                VALUES (0, wanted.served_last, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                    (1, '00000000-0000-0000-0000-000000000000'::uuid, wanted.served_last)
            ) AS lap (lap, after_id, until_id)
            -- The jobs of a lap that run and have planned tasks, in the order of their ids. This is a loose index scan
            -- over two indexes: each step of the recursion looks up the next job with planned tasks, and from there the
            -- next job that runs. The next step begins at the larger of the two. So neither many paused jobs nor many
            -- jobs without planned tasks take long.
            CROSS JOIN LATERAL (
                WITH RECURSIVE scan AS (
                    SELECT lap.after_id AS planned_id, lap.after_id AS running_id
                    UNION ALL
                    SELECT step.planned_id, step.running_id
                    FROM scan
                    CROSS JOIN LATERAL (
                        SELECT next_planned.job_id AS planned_id, (
                            SELECT jobs.id FROM jobs
                            WHERE jobs.vendor = wanted.vendor AND jobs.priority = wanted.priority
                                AND jobs.state = 'running' AND jobs.id >= next_planned.job_id
                                AND jobs.id <= lap.until_id
                            ORDER BY jobs.id
                            LIMIT 1
                        ) AS running_id
                        FROM (
                            SELECT tasks.job_id FROM tasks
                            WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority
                                AND tasks.state = 'planned' AND tasks.job_id > scan.planned_id
                                AND tasks.job_id >= scan.running_id AND tasks.job_id <= lap.until_id
                            ORDER BY tasks.job_id
                            LIMIT 1
                        ) AS next_planned
                    ) AS step
                )
                -- Where both are the same job, it has planned tasks and runs. The first row of the scan is no job.
                SELECT scan.planned_id AS job_id FROM scan
                WHERE scan.planned_id = scan.running_id AND scan.planned_id > lap.after_id
                    AND scan.planned_id <> ALL ($5::uuid[])
            ) AS running_job
            LIMIT wanted.quota
        ) AS in_turn
    ) AS job
    -- The first planned tasks of each job: twice its share of the quota, as other jobs may have fewer.
    CROSS JOIN LATERAL (
        SELECT tasks.id, tasks.call_bytes, row_number() OVER (ORDER BY tasks.number) AS turn
        FROM tasks
        WHERE tasks.vendor = wanted.vendor AND tasks.priority = wanted.priority AND tasks.job_id = job.job_id
            AND tasks.state = 'planned'
        ORDER BY tasks.number
        LIMIT 1 + 2 * wanted.quota / job.jobs
    ) AS task
),
ranked AS (
    -- The first task of each job, then the second of each, and so on.
    SELECT id, vendor, quota, call_bytes,
        row_number() OVER (PARTITION BY vendor ORDER BY priority, turn, lap, job_id) AS place
    FROM candidates
),
weighed AS (
    -- What fits the quota, with the bytes of the vendor's calls up to and with each.
    SELECT id, place, call_bytes, sum(call_bytes) OVER (PARTITION BY vendor ORDER BY place) AS vendor_bytes
    FROM ranked
    WHERE place <= quota
),
fitting AS (
    -- With the bytes of all calls before each, where the vendor with the fewest bytes so far is always next. So each
    -- vendor has the same share of $6, and others have what it does not need.
    SELECT id, place, sum(call_bytes) OVER (ORDER BY vendor_bytes, id) - call_bytes AS bytes_before
    FROM weighed
)
-- Once a row is locked, Postgres checks the conditions on that row again: the rank leaves out tasks that were cancelled
-- or released since the window was chosen.
SELECT tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.vendor, tasks.priority, tasks.purpose, tasks.call,
    tasks.wanted, tasks.position, tasks.unique_key, tasks.slice, tasks.input, tasks.expects_list
FROM tasks
JOIN fitting ON fitting.id = tasks.id AND fitting.bytes_before < $6
WHERE tasks.rank = 0
ORDER BY fitting.place
FOR UPDATE OF tasks SKIP LOCKED
