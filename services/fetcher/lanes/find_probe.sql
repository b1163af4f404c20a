-- One call that shows whether a vendor works again, locked. It is of any of its jobs by chance: a job whose every call
-- fails must not keep the others from showing it. Of that job's calls it is one that may be repeated and has used up the
-- fewest attempts. Suspects are left out.
-- $1 vendor text
-- $2 suspect_from integer
WITH due AS (
    SELECT DISTINCT ON (job_id) id
    FROM due_calls
    WHERE vendor = $1 AND cardinality(taken_from) < $2
    ORDER BY job_id, repeatable DESC, attempt, created_at
),
chosen AS MATERIALIZED (
    SELECT id FROM due ORDER BY random() LIMIT 1
)
SELECT id FROM calls
WHERE id = (SELECT id FROM chosen) AND state = 'waiting'
FOR UPDATE SKIP LOCKED
