-- Forgets tasks whose deadlines are long past. $1 older_than interval, $2 most bigint
DELETE FROM expectations
WHERE task_id IN (
    SELECT task_id FROM expectations WHERE deadline_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED
)
