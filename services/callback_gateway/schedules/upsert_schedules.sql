-- Schedules as the latest facts have them.
-- $1 ids uuid[]
-- $2 names text[]
-- $3 documents jsonb[]
-- $4 states text[]
-- $5 next_at timestamptz[]
-- $6 reasons text[]
-- $7 mistakes jsonb[]
-- $8 changed_at timestamptz[]
INSERT INTO schedules AS known (id, name, document, state, next_at, reason, mistakes, created_at, changed_at)
SELECT id, name, document, state, next_at, reason, mistakes, changed_at, changed_at
FROM unnest(
    $1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::timestamptz[], $6::text[], $7::jsonb[], $8::timestamptz[]
) AS given (id, name, document, state, next_at, reason, mistakes, changed_at)
ON CONFLICT (id) DO UPDATE
SET name = coalesce(excluded.name, known.name),
    document = coalesce(excluded.document, known.document),
    state = CASE WHEN excluded.changed_at >= known.changed_at THEN excluded.state ELSE known.state END,
    next_at = CASE WHEN excluded.changed_at >= known.changed_at THEN excluded.next_at ELSE known.next_at END,
    reason = CASE WHEN excluded.changed_at >= known.changed_at THEN excluded.reason ELSE known.reason END,
    mistakes = CASE WHEN excluded.changed_at >= known.changed_at THEN excluded.mistakes ELSE known.mistakes END,
    changed_at = greatest(excluded.changed_at, known.changed_at)
