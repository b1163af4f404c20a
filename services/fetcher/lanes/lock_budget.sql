-- Locks a vendor's budget; the clock is read when it is ours, however long that took. $1 vendor text
SELECT locked.permits, extract(epoch FROM locked.paused_until - clock_timestamp())::float8 AS paused_seconds,
    locked.pace, locked.refused_credentials, vendors.document, vendors.updated_at,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
FROM (
    SELECT vendor, permits, paused_until, pace, refused_credentials FROM budgets WHERE vendor = $1 FOR UPDATE
) AS locked
LEFT JOIN vendors ON vendors.id = locked.vendor
