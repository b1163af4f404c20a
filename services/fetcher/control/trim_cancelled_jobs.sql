-- Forgets cancelled jobs for which no request can be on its way any more.
DELETE FROM cancelled_jobs WHERE cancelled_at < now() - interval '7 days'
