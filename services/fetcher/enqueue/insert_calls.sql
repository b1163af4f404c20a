-- Inserts requested calls, but those of cancelled jobs that do not outlive them.
-- $1 ids uuid[]
-- $2 task_ids uuid[]
-- $3 job_ids uuid[]
-- $4 vendors text[]
-- $5 priorities smallint[]
-- $6 requests bytea[]
-- $7 origins jsonb[]
-- $8 repeatable boolean[]
-- $9 outlives boolean[]
INSERT INTO calls (id, task_id, job_id, vendor, priority, request, origin, repeatable, outlives)
SELECT id, task_id, job_id, vendor, priority, request, origin, repeatable, outlives
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::bytea[], $7::jsonb[], $8::boolean[],
    $9::boolean[]
) AS given (id, task_id, job_id, vendor, priority, request, origin, repeatable, outlives)
WHERE outlives OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = given.job_id)
ON CONFLICT (id) DO NOTHING
