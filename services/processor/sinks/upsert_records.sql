-- Upserts records into records.{table}; one that was fetched before the kept one changes nothing but whose it is.
-- $1 keys text[]
-- $2 records jsonb: all of them as one array, for it is read in half the time that many values take
-- $3 pages integer[]: for each record the place of its page in those that follow
-- $4 sources text[]
-- $5 job_ids uuid[]
-- $6 task_ids uuid[]
-- $7 fetched_at timestamptz[]
-- $8 correlation_ids uuid[]
INSERT INTO records.{table} AS kept (source, key, record, job_id, task_id, fetched_at, correlation_id)
SELECT page.source, given.key, given.record, page.job_id, page.task_id, page.fetched_at, page.correlation_id
FROM ROWS FROM (unnest($1::text[]), jsonb_array_elements($2::jsonb), unnest($3::integer[])) AS given (key, record, page)
JOIN unnest($4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::uuid[])
    WITH ORDINALITY AS page (source, job_id, task_id, fetched_at, correlation_id, place)
    ON page.place = given.page
ON CONFLICT (source, key) DO UPDATE
SET record = CASE WHEN excluded.fetched_at < kept.fetched_at THEN kept.record ELSE excluded.record END,
    updated_at = CASE WHEN excluded.fetched_at < kept.fetched_at THEN kept.updated_at ELSE now() END,
    fetched_at = greatest(excluded.fetched_at, kept.fetched_at),
    job_id = excluded.job_id,
    correlation_id = excluded.correlation_id,
    previous_job_id = kept.job_id,
    task_id = excluded.task_id,
    previous_task_id = kept.task_id
WHERE kept.job_id <> excluded.job_id AND kept.previous_job_id IS DISTINCT FROM excluded.job_id
