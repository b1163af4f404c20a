-- Inserts requested calls, but those of cancelled jobs. $1 ids uuid[], $2 task_ids uuid[], $3 job_ids uuid[], $4 vendors text[], $5 priorities smallint[], $6 requests bytea[], $7 origins jsonb[], $8 repeatable boolean[]
INSERT INTO calls (id, task_id, job_id, vendor, priority, request, origin, repeatable)
SELECT id, task_id, job_id, vendor, priority, request, origin, repeatable
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::bytea[], $7::jsonb[], $8::boolean[]
) AS given (id, task_id, job_id, vendor, priority, request, origin, repeatable)
WHERE NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = given.job_id)
ON CONFLICT (id) DO NOTHING
