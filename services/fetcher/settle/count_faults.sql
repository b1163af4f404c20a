-- Counts faults in a row. From `most` of them on the vendor rests, longer with each, up to the longest; not while the
-- first of them is younger than `least`, nor after `probes` more. Those that were under way when the rest began count no
-- more. Gives the counts, and the rests.
-- $1 vendors text[]
-- $2 most integer
-- $3 probes integer
-- $4 least interval
-- $5 first interval
-- $6 longest interval
WITH locked AS (
    SELECT vendor, faults, coalesce(failing_since, now()) AS failing_since
    FROM budgets
    WHERE vendor = ANY ($1) AND paused_until < now()
    ORDER BY vendor
    FOR UPDATE
),
counted AS (
    SELECT locked.vendor, locked.failing_since,
        CASE
            WHEN locked.faults >= $2 THEN least(locked.faults + 1, $2 + $3)
            WHEN locked.failing_since > now() - $4::interval THEN least(locked.faults + given.faults, $2 - 1)
            ELSE least(locked.faults + given.faults, $2)
        END::integer AS faults
    FROM locked
    JOIN (
        SELECT vendor, count(*) AS faults FROM unnest($1::text[]) AS each (vendor) GROUP BY vendor
    ) AS given USING (vendor)
)
UPDATE budgets
SET faults = counted.faults,
    failing_since = counted.failing_since,
    paused_until = CASE WHEN counted.faults >= $2 AND counted.faults < $2 + $3
        THEN now() + least($5::interval * 2 ^ least(counted.faults - $2, 20), $6::interval)
        ELSE budgets.paused_until END
FROM counted
WHERE budgets.vendor = counted.vendor
RETURNING budgets.vendor, budgets.faults,
    greatest(extract(epoch FROM budgets.paused_until - now()), 0)::float8 AS seconds
