-- How much there is to do. $1 ids uuid[], $2 tasks integer[], $3 records bigint[], $4 notes text[], $5 all_known boolean[]
UPDATE jobs
SET planned = greatest(jobs.planned, given.tasks),
    expected = coalesce(given.records, jobs.expected),
    all_known = jobs.all_known OR given.all_known,
    note = CASE WHEN given.note = '' THEN jobs.note ELSE given.note END,
    updated_at = now()
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::boolean[])
    AS given (id, tasks, records, note, all_known)
WHERE jobs.id = given.id
