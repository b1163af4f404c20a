-- The next calls of a vendor, locked. A suspect is among them if it has been due for long, or if nothing else is due.
-- $1 vendor text
-- $2 most bigint
-- $3 suspect_from integer
-- $4 long interval
WITH others AS (
    SELECT id FROM due_calls
    WHERE vendor = $1 AND cardinality(taken_from) < $3
    ORDER BY priority, created_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
suspect AS (
    SELECT id FROM due_calls
    WHERE vendor = $1 AND taken_from <> '{}' AND cardinality(taken_from) >= $3
        AND (not_before < now() - $4::interval OR NOT EXISTS (SELECT FROM others))
    ORDER BY not_before
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
SELECT id, false AS suspect FROM others
UNION ALL
SELECT id, true AS suspect FROM suspect
