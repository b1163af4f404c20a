-- Bodies of answers whose time is over, locked. $1 older_than interval, $2 most bigint
SELECT id, answer #>> '{body,uri}' AS uri FROM jobs
WHERE answer ? 'body' AND ended_at < now() - $1::interval
ORDER BY ended_at
LIMIT $2
FOR UPDATE SKIP LOCKED
