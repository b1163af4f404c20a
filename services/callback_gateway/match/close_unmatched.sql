-- Callbacks that were for nobody. $1 ids uuid[]
UPDATE callbacks SET verdict = 'unknown', letter = NULL WHERE id = ANY ($1)
