-- The ids of callbacks that came before a task waited for them, given up or not, the oldest first, locked; by a
-- vendor's id only those that came since then, or almost.
-- $1 task_ids uuid[]
-- $2 vendors text[]
-- $3 vendor_jobs text[]
-- $4 since timestamptz[]
-- $5 almost interval
SELECT id
FROM callbacks
WHERE letter IS NOT NULL AND id IN (
    SELECT parked.id FROM callbacks AS parked WHERE parked.letter IS NOT NULL AND parked.task_id = ANY ($1)
    UNION
    SELECT parked.id
    FROM callbacks AS parked
    JOIN unnest($2::text[], $3::text[], $4::timestamptz[]) AS given (vendor, vendor_job, since)
        USING (vendor, vendor_job)
    WHERE parked.letter IS NOT NULL AND parked.task_id IS NULL AND parked.received_at >= given.since - $5::interval
)
ORDER BY received_at, id
FOR UPDATE
