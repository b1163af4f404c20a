-- A job runs again. $1 id uuid, $2 tasks integer, $3 discovery_over boolean
UPDATE jobs SET state = 'running', open = open + $2, failed = failed - $2, reason = '', barren = 0,
    discovery_over = $3, ended_at = NULL
WHERE id = $1
