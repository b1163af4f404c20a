-- Whether a job that is over is about to go on: what was asked for a while ago had no effect. $1 id uuid, $2 within interval
SELECT redrive_asked_at > now() - $2::interval FROM jobs WHERE id = $1
