-- Forgets jobs that go on, and paused ones of which nothing waits, once no request can be on its way any more.
DELETE FROM paused_jobs
WHERE noted_at < now() - interval '7 days'
    AND (
        NOT paused
        OR NOT EXISTS (SELECT FROM calls WHERE calls.job_id = paused_jobs.job_id AND calls.state = 'waiting')
    )
