-- Remembers when a key was used. $1 id text, $2 at timestamptz
UPDATE api_keys SET used_at = greatest(used_at, $2) WHERE id = $1
