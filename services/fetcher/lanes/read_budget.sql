-- A vendor's budget once it is locked, the vendor as it is configured, and its open calls in other fetchers. This
-- statement begins after the wait for the lock, so that it sees what was changed meanwhile.
-- $1 vendor text
-- $2 fetcher_id uuid
SELECT budgets.permits, extract(epoch FROM budgets.paused_until - clock_timestamp())::float8 AS paused_seconds,
    budgets.pace, budgets.refused_credentials, budgets.faults, vendors.document, vendors.updated_at,
    (
        SELECT count(*) FROM calls WHERE calls.vendor = $1 AND calls.state = 'running' AND calls.fetcher_id <> $2
    )::integer AS elsewhere,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
FROM budgets
LEFT JOIN vendors ON vendors.id = budgets.vendor
WHERE budgets.vendor = $1
