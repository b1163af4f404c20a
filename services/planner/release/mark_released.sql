-- Marks tasks as released, unless something later is known of them. Ranks: `TaskState`.
-- $1 ids uuid[]
-- $2 deadline_at timestamptz[] (null: none)
UPDATE tasks SET state = 'released', rank = 1, deadline_at = given.deadline_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, deadline_at)
WHERE tasks.id = given.id AND tasks.rank = 0
