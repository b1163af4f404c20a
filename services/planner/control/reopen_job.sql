-- A job goes on. $1 id uuid, $2 tasks integer, $3 discovery_over boolean, $4 state text
UPDATE jobs SET state = $4, open = open + $2, failed = failed - $2, reason = '', barren = 0,
    discovery_over = $3, ended_at = NULL
WHERE id = $1
