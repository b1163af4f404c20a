-- Counts refused credentials in a row, and rests from `most` of them on: longer with each, up to the longest. Those
-- that were under way when the rest began count no more. Gives the rests.
-- $1 vendors text[]
-- $2 most integer
-- $3 first interval
-- $4 longest interval
WITH locked AS (
    SELECT vendor, refused_credentials, paused_until FROM budgets WHERE vendor = ANY ($1) ORDER BY vendor FOR UPDATE
),
counted AS (
    SELECT locked.vendor,
        least(locked.refused_credentials + given.refused, greatest($2, locked.refused_credentials + 1))::integer
            AS refused
    FROM locked
    JOIN (
        SELECT vendor, count(*) AS refused FROM unnest($1::text[]) AS each (vendor) GROUP BY vendor
    ) AS given USING (vendor)
    WHERE locked.paused_until < now()
)
UPDATE budgets
SET refused_credentials = counted.refused,
    paused_until = CASE WHEN counted.refused >= $2
        THEN now() + least($3::interval * 2 ^ least(counted.refused - $2, 20), $4::interval)
        ELSE budgets.paused_until END
FROM counted
WHERE budgets.vendor = counted.vendor
RETURNING budgets.vendor, budgets.refused_credentials,
    greatest(extract(epoch FROM budgets.paused_until - now()), 0)::float8 AS seconds
