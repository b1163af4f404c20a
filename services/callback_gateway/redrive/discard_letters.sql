-- Puts letters away that are open or wait for their turn; gives how many. $1 service text, $2 topics text[], $3 reason text, $4 job_id uuid, $5 since timestamptz, $6 until timestamptz, $7 id uuid (null: any), $8 note text
UPDATE dead_letters
SET state = 'discarded', note = $8, changed_at = now()
WHERE state IN ('open', 'redriving')
        AND ($1::text IS NULL OR service = $1)
        AND ($2::text[] IS NULL OR topic = ANY ($2))
        AND ($3::text IS NULL OR reason = $3)
        AND ($4::uuid IS NULL OR job_id = $4)
        AND ($5::timestamptz IS NULL OR at >= $5)
        AND ($6::timestamptz IS NULL OR at < $6)
        AND ($7::uuid IS NULL OR id = $7)
