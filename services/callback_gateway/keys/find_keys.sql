-- Keys in force.
SELECT id, name, digest, scopes, used_at FROM api_keys WHERE revoked_at IS NULL
