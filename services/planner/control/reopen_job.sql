-- A job goes on. $1 id uuid, $2 tasks integer, $3 discovery_over boolean, $4 state text, $5 reason text
UPDATE jobs SET state = $4, open = open + $2, failed = failed - $2, reason = $5, barren = 0,
    discovery_over = $3, ended_at = NULL
WHERE id = $1
