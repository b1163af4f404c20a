-- Sets timers.
-- $1 ids uuid[]
-- $2 due_at timestamptz[]
-- $3 topics text[]
-- $4 keys bytea[]
-- $5 values bytea[]
-- $6 headers bytea[]
INSERT INTO timers (id, due_at, topic, key, value, headers)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[])
ON CONFLICT (id) DO NOTHING
