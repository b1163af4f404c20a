-- Vendors with planned tasks, by skipping from one to the next in the index, with what they have out and what waits to
-- be processed. Tasks that wait for a callback are left out: they use no budget. So are those of paused jobs, which the
-- fetcher holds, and webhooks that are tried again, for hours perhaps: other receivers of the same host are not to wait.
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
SELECT busy.vendor, out.outstanding, out.unprocessed
FROM busy
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE rank <= 2 AND tasks.job_id NOT IN (SELECT id FROM jobs WHERE state = 'paused')
            AND NOT (tasks.state = 'retrying' AND tasks.purpose = 'deliver'))::integer
            AS outstanding,
        count(*) FILTER (WHERE rank > 2)::integer AS unprocessed
    FROM tasks
    WHERE tasks.vendor = busy.vendor AND rank BETWEEN 1 AND 4 AND tasks.state <> 'waiting'
) AS out
WHERE busy.vendor IS NOT NULL
