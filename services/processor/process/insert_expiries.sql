-- From when on payloads may be deleted. $1 uris text[], $2 keep_seconds float8[]
INSERT INTO expiries (uri, due_at)
SELECT uri, now() + make_interval(secs => keep_seconds)
FROM unnest($1::text[], $2::float8[]) AS given (uri, keep_seconds)
ON CONFLICT (uri) DO UPDATE SET due_at = excluded.due_at
