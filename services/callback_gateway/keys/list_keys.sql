-- All keys, the newest first.
SELECT id, name, scopes, created_at, used_at, revoked_at FROM api_keys ORDER BY created_at DESC, id
