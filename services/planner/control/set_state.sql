-- Pauses or resumes a job. $1 id uuid, $2 state text
UPDATE jobs SET state = $2 WHERE id = $1
