-- Upserts records into records.{table}. $1 keys text[], $2 records jsonb: all of them as one array, for it is read in half the time that many values take, $3 pages integer[]: for each record its place in $4 sources text[], $5 job_ids uuid[], $6 task_ids uuid[]
INSERT INTO records.{table} AS kept (source, key, record, job_id, task_id)
SELECT page.source, given.key, given.record, page.job_id, page.task_id
FROM ROWS FROM (unnest($1::text[]), jsonb_array_elements($2::jsonb), unnest($3::integer[])) AS given (key, record, page)
JOIN unnest($4::text[], $5::uuid[], $6::uuid[]) WITH ORDINALITY AS page (source, job_id, task_id, place)
    ON page.place = given.page
ON CONFLICT (source, key) DO UPDATE
SET record = excluded.record, job_id = excluded.job_id, previous_job_id = kept.job_id, task_id = excluded.task_id,
    updated_at = now()
WHERE kept.job_id <> excluded.job_id AND kept.previous_job_id IS DISTINCT FROM excluded.job_id
