-- A schedule that was asked for, perhaps anew: after it went, not before. $1 id uuid, $2 name text, $3 document jsonb, $4 asked_at timestamptz
INSERT INTO schedules AS known (id, name, document, state) VALUES ($1, $2, $3, 'requested')
ON CONFLICT (id) DO UPDATE
SET state = 'requested', document = excluded.document
WHERE known.state IN ('removed', 'rejected') AND known.changed_at < $4::timestamptz
