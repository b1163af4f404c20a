-- What callbacks told of tasks. $1 task_ids uuid[], $2 told text[]
UPDATE expectations SET told = given.told, updated_at = now()
FROM unnest($1::uuid[], $2::text[]) AS given (task_id, told)
WHERE expectations.task_id = given.task_id
