-- Upserts records into records.{table}; gives for each task how many were new in its job. $1 sources text[], $2 keys text[], $3 records jsonb[], $4 job_ids uuid[], $5 task_ids uuid[]
WITH written AS (
    INSERT INTO records.{table} AS kept (source, key, record, job_id, task_id)
    SELECT source, key, record, job_id, task_id
    FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::uuid[], $5::uuid[]) AS given (source, key, record, job_id, task_id)
    ON CONFLICT (source, key) DO UPDATE
    SET record = excluded.record, job_id = excluded.job_id, task_id = excluded.task_id, updated_at = now()
    WHERE kept.job_id <> excluded.job_id
    RETURNING task_id
)
SELECT task_id, count(*)::integer AS written FROM written GROUP BY task_id
