-- Which of these records of records.{table} each task has brought: how many, and which keys where they are wanted.
-- $1 keys text[]
-- $2 pages integer[]
-- $3 sources text[]
-- $4 task_ids uuid[]
-- $5 wanted boolean[]
SELECT page.task_id, count(DISTINCT kept.key)::integer AS written,
    array_agg(DISTINCT kept.key) FILTER (WHERE page.wanted) AS keys
FROM unnest($1::text[], $2::integer[]) AS given (key, page)
JOIN unnest($3::text[], $4::uuid[], $5::boolean[]) WITH ORDINALITY AS page (source, task_id, wanted, place)
    ON page.place = given.page
JOIN records.{table} AS kept
    ON kept.source = page.source AND kept.key = given.key AND page.task_id IN (kept.task_id, kept.previous_task_id)
GROUP BY page.task_id
