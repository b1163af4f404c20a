-- A sign of life. $1 fetcher_id uuid
INSERT INTO fetchers (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()
