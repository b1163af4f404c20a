-- A job runs again. $1 id uuid, $2 tasks integer
UPDATE jobs SET state = 'running', open = open + $2, failed = failed - $2, reason = '', barren = 0, ended_at = NULL
WHERE id = $1
