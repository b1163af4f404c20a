-- Jobs that are over are about to go on. $1 ids uuid[]
UPDATE jobs
SET redrive_asked_at = now()
WHERE id = ANY ($1) AND ended_at IS NOT NULL AND failed > 0 AND state <> 'cancelled'
