-- Brings vendors back towards their contract's rate, a step for each call that succeeded: they work, and their
-- credentials are good. $1 vendors text[]
UPDATE budgets
SET pace = least(1, budgets.pace + 0.01 * given.successes),
    refused_credentials = 0,
    faults = 0,
    failing_since = NULL
FROM (SELECT vendor, count(*) AS successes FROM unnest($1::text[]) AS each (vendor) GROUP BY vendor) AS given
WHERE budgets.vendor = given.vendor AND (budgets.pace < 1 OR budgets.refused_credentials > 0 OR budgets.faults > 0)
