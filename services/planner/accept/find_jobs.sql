-- Those of these jobs that were accepted. $1 ids uuid[]
SELECT id FROM jobs WHERE id = ANY ($1)
