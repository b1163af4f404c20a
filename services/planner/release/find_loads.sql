-- Vendors with planned tasks, by skipping from one to the next in the index, with what they have out, the jobs that
-- wait to try calls again, with how many, and what waits to be processed, of each job at most $1, and the jobs that
-- have more. What waits for a callback needs nobody's turn, what the fetcher holds for a paused job is in nobody's
-- way, and webhooks that are tried again, for hours perhaps, keep no other receiver of their host waiting.
-- Ranks: 1 released; 2 with the fetcher, or waiting; 3 and 4 fetched, and not yet processed.
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
