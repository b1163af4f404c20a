-- Keeps a key. $1 id text, $2 name text, $3 digest bytea, $4 scopes text[]
INSERT INTO api_keys (id, name, digest, scopes) VALUES ($1, $2, $3, $4)
