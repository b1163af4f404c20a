-- Locks a vendor's budget. $1 vendor text
SELECT budgets.permits, extract(epoch FROM budgets.paused_until - clock_timestamp())::float8 AS paused_seconds, budgets.pace, budgets.reason, vendors.document, vendors.updated_at,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
FROM budgets
LEFT JOIN vendors ON vendors.id = budgets.vendor
WHERE budgets.vendor = $1
FOR UPDATE OF budgets
