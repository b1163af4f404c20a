-- Marks tasks as released, unless something later is known of them. $1 ids uuid[]
UPDATE tasks SET state = 'released', rank = 1, released_at = now() WHERE id = ANY ($1) AND rank = 0
