-- Schedules by their ids, locked in order. $1 ids uuid[]
SELECT id, document, state, anchor, next_at, id_used FROM schedules WHERE id = ANY ($1) ORDER BY id FOR UPDATE
