-- Vendors with something to release, with what they have out and what waits to be processed. What waits for a callback needs nobody's turn.
SELECT busy.vendor, coalesce(out.outstanding, 0) AS outstanding, coalesce(out.unprocessed, 0) AS unprocessed
FROM (
    SELECT DISTINCT vendor FROM jobs
    WHERE state = 'running' AND EXISTS (SELECT FROM tasks WHERE tasks.job_id = jobs.id AND tasks.state = 'planned')
) AS busy
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE rank <= 2)::integer AS outstanding,
        count(*) FILTER (WHERE rank > 2)::integer AS unprocessed
    FROM tasks
    WHERE tasks.vendor = busy.vendor AND rank BETWEEN 1 AND 4 AND tasks.state <> 'waiting'
) AS out ON true
