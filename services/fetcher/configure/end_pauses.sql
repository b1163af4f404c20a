-- Ends the pauses of vendors. $1 ids text[]
UPDATE budgets
SET paused_until = to_timestamp(0), pace = 1, refused_credentials = 0, faults = 0, failing_since = NULL
WHERE vendor = ANY ($1)
