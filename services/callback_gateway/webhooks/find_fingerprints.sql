-- What webhooks with these ids said. $1 ids uuid[]
SELECT id, fingerprint FROM webhooks WHERE id = ANY ($1)
