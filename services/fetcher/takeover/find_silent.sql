-- Fetchers that hold calls and are silent; none for one that is silent itself. $1 lease_seconds double precision, $2 but uuid
SELECT DISTINCT calls.fetcher_id
FROM calls
LEFT JOIN fetchers ON fetchers.id = calls.fetcher_id
WHERE calls.state IN ('running', 'answered')
    AND calls.fetcher_id <> $2
    AND coalesce(fetchers.seen_at, to_timestamp(0)) < now() - make_interval(secs => $1)
    AND NOT EXISTS (SELECT FROM fetchers AS own WHERE own.id = $2 AND own.seen_at < now() - make_interval(secs => $1))
