-- Whether a job that is over is about to go on: a letter of one of its tasks waits for its turn, or was sent again a short
-- while ago. What was sent longer ago had no effect. $1 id uuid, $2 within interval
SELECT state <> 'cancelled' AND (redrive_asked_at > now() - $2::interval OR EXISTS (
    SELECT FROM dead_letters
    WHERE dead_letters.job_id = jobs.id AND dead_letters.state = 'redriving' AND dead_letters.round IS NOT NULL
))
FROM jobs
WHERE id = $1
