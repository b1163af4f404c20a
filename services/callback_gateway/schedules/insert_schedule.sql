-- A schedule that was asked for. $1 id uuid, $2 name text, $3 document jsonb
INSERT INTO schedules (id, name, document, state) VALUES ($1, $2, $3, 'requested')
ON CONFLICT (id) DO NOTHING
