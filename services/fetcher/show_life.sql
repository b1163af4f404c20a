-- A sign of life; gives the seconds since the one before it, by the database's clock. $1 fetcher_id uuid
INSERT INTO fetchers (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()
RETURNING (
    SELECT extract(epoch FROM now() - before.seen_at)::float8 FROM fetchers AS before WHERE before.id = $1
) AS silent_seconds
