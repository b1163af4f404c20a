-- A job that was asked for. $1 id uuid
INSERT INTO jobs (id, state) VALUES ($1, 'requested') ON CONFLICT (id) DO NOTHING
