-- Locks what outcomes may change of several vendors, in one order: of those that refused or failed, and of those that
-- answered. $1 failed text[], $2 answered text[]
SELECT FROM budgets
WHERE vendor = ANY ($1) OR (vendor = ANY ($2) AND (pace < 1 OR refused_credentials > 0 OR faults > 0))
ORDER BY vendor
FOR UPDATE
