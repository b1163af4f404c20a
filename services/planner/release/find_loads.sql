-- Vendors with planned tasks, found by a loose index scan, each with
-- - outstanding: calls that are released or with the fetcher, but for those that wait to be tried again
-- - retrying_jobs and retrying: the jobs with calls that wait to be tried again, and how many of each
-- - unprocessed: pages that wait to be processed, of each job at most $1; heaped_jobs: the jobs with more
-- A task that waits for a callback is not counted, since it holds back no call; nor are the calls of a paused job, nor
-- outgoing webhooks that wait to be tried again, perhaps for hours: they must not hold back other receivers.
-- Ranks: `TaskState`.
-- $1 unprocessed_most integer
WITH RECURSIVE busy AS (
    (SELECT vendor FROM tasks WHERE state = 'planned' ORDER BY vendor LIMIT 1)
    UNION ALL
    SELECT (
        SELECT tasks.vendor FROM tasks
        WHERE tasks.state = 'planned' AND tasks.vendor > busy.vendor
        ORDER BY tasks.vendor
        LIMIT 1
    )
    FROM busy
    WHERE busy.vendor IS NOT NULL
)
SELECT busy.vendor, out.outstanding, out.retrying_jobs, out.retrying, out.unprocessed, out.heaped_jobs
FROM busy
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(job.outstanding) FILTER (WHERE NOT job.paused), 0)::integer AS outstanding,
        coalesce(array_agg(job.id) FILTER (WHERE job.retrying > 0 AND NOT job.paused), '{}') AS retrying_jobs,
        coalesce(array_agg(job.retrying::integer) FILTER (WHERE job.retrying > 0 AND NOT job.paused), '{}') AS retrying,
        coalesce(sum(least(job.unprocessed, $1)), 0)::integer AS unprocessed,
        coalesce(array_agg(job.id) FILTER (WHERE job.unprocessed > $1), '{}') AS heaped_jobs
    FROM (
        SELECT counted.*, EXISTS (SELECT FROM jobs WHERE jobs.id = counted.id AND jobs.state = 'paused') AS paused
        FROM (
            SELECT tasks.job_id AS id,
                count(*) FILTER (WHERE rank <= 2 AND tasks.state <> 'retrying') AS outstanding,
                count(*) FILTER (WHERE tasks.state = 'retrying' AND tasks.purpose <> 'deliver') AS retrying,
                count(*) FILTER (WHERE rank > 2) AS unprocessed
            FROM tasks
            WHERE tasks.vendor = busy.vendor AND rank BETWEEN 1 AND 4 AND tasks.state <> 'waiting'
            GROUP BY tasks.job_id
        ) AS counted
    ) AS job
) AS out
WHERE busy.vendor IS NOT NULL
