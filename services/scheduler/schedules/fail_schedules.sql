-- Schedules that cannot be read are never due again. $1 ids uuid[]
UPDATE schedules SET state = 'failed', next_at = NULL, due_at = NULL WHERE id = ANY ($1)
