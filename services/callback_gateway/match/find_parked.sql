-- Callbacks that came before anybody waited for them, the oldest first, locked. $1 task_ids uuid[], $2 vendors text[], $3 vendor_jobs text[]
SELECT id, letter
FROM callbacks
WHERE verdict = 'parked'
    AND (
        task_id = ANY ($1)
        OR (task_id IS NULL AND (vendor, vendor_job) IN (
            SELECT given.vendor, given.vendor_job FROM unnest($2::text[], $3::text[]) AS given (vendor, vendor_job)
        ))
    )
ORDER BY received_at, id
FOR UPDATE
