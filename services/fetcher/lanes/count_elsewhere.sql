-- Open calls of a vendor in other fetchers: this one knows its own better. $1 vendor text, $2 fetcher_id uuid
SELECT count(*)::integer FROM calls WHERE vendor = $1 AND state = 'running' AND fetcher_id <> $2
