-- Locks what an outcome may change of several vendors, in one order. $1 refused text[], $2 succeeded text[]
SELECT FROM budgets
WHERE vendor = ANY ($1) OR (vendor = ANY ($2) AND (pace < 1 OR refused_credentials > 0))
ORDER BY vendor
FOR UPDATE
