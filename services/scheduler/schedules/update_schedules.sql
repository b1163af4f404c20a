-- The times and states of schedules whose documents stay.
-- $1 ids uuid[]
-- $2 states text[]
-- $3 next_at timestamptz[]
-- $4 due_at timestamptz[]
UPDATE schedules
SET state = given.state, next_at = given.next_at, due_at = given.due_at
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS given (id, state, next_at, due_at)
WHERE schedules.id = given.id
