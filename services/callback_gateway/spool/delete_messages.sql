-- Forgets messages. $1 ids bigint[]
DELETE FROM spool WHERE id = ANY ($1)
