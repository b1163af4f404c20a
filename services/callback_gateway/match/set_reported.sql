-- What callbacks reported of tasks. $1 task_ids uuid[], $2 reported text[]
UPDATE expectations SET reported = given.reported, updated_at = now()
FROM unnest($1::uuid[], $2::text[]) AS given (task_id, reported)
WHERE expectations.task_id = given.task_id
