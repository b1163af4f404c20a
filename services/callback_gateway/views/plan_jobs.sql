-- How much there is to do. $1 ids uuid[], $2 tasks integer[], $3 records bigint[], $4 notes text[]
UPDATE jobs
SET planned = greatest(jobs.planned, given.tasks),
    expected = coalesce(given.records, jobs.expected),
    note = CASE WHEN given.note = '' THEN jobs.note ELSE given.note END,
    updated_at = now()
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[]) AS given (id, tasks, records, note)
WHERE jobs.id = given.id
