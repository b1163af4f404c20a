-- Schedules as they are left.
-- $1 ids uuid[]
-- $2 documents jsonb[]
-- $3 states text[]
-- $4 anchors timestamptz[]
-- $5 next_at timestamptz[]
-- $6 due_at timestamptz[]
-- $7 id_used boolean[]
INSERT INTO schedules (id, document, state, anchor, next_at, due_at, id_used)
SELECT * FROM unnest(
    $1::uuid[], $2::jsonb[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::boolean[]
)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document,
    state = excluded.state,
    anchor = excluded.anchor,
    next_at = excluded.next_at,
    due_at = excluded.due_at,
    id_used = excluded.id_used
