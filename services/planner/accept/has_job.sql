-- Whether a job was accepted. $1 id uuid
SELECT EXISTS (SELECT FROM jobs WHERE id = $1)
