-- Brings vendors back towards their contract's rate, a step for each call that succeeded. $1 vendors text[]
UPDATE budgets
SET pace = least(1, budgets.pace + 0.01 * given.successes)
FROM (SELECT vendor, count(*) AS successes FROM unnest($1::text[]) AS each (vendor) GROUP BY vendor) AS given
WHERE budgets.vendor = given.vendor AND budgets.pace < 1
