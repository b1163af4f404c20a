-- Callbacks that were for nobody so far; they are kept with their letters. $1 ids uuid[]
UPDATE callbacks SET verdict = 'unknown' WHERE id = ANY ($1)
