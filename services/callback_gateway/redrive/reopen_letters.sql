-- Letters for which nothing can be sent. $1 ids uuid[], $2 notes text[]
UPDATE dead_letters
SET state = 'open', note = given.note, changed_at = now()
FROM unnest($1::uuid[], $2::text[]) AS given (id, note)
WHERE dead_letters.id = given.id
