-- Rests towards vendors; a longer pause is never shortened. One slow-down for each pause that began with a refusal,
-- however many calls met it.
-- $1 vendors text[]
-- $2 until timestamptz[]
-- $3 refused boolean[]
UPDATE budgets
SET paused_until = greatest(budgets.paused_until, given.until),
    pace = CASE WHEN given.refused AND budgets.paused_until < now() THEN greatest(budgets.pace * 0.7, 0.05)
        ELSE budgets.pace END
FROM (
    SELECT vendor, max(until) AS until, bool_or(refused) AS refused
    FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS each (vendor, until, refused)
    GROUP BY vendor
) AS given
WHERE budgets.vendor = given.vendor
