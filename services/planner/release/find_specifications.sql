-- What jobs run with. $1 ids uuid[]
SELECT id, specification FROM jobs WHERE id = ANY ($1)
