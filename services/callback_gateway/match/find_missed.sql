-- Of each task the first outcome that a callback by the vendor's id reported of its job since its submit left, or almost. $1 task_ids uuid[], $2 vendors text[], $3 vendor_jobs text[], $4 submitted_at timestamptz[], $5 almost interval
SELECT given.task_id, missed.id, given.vendor, given.vendor_job, missed.reported, missed.received_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS given (task_id, vendor, vendor_job, submitted_at)
CROSS JOIN LATERAL (
    SELECT id, reported, received_at
    FROM callbacks
    WHERE vendor = given.vendor
        AND vendor_job = given.vendor_job
        AND received_at >= given.submitted_at - $5::interval
        AND by_vendor_job
        AND reported IN ('done', 'failed')
    ORDER BY received_at, id
    LIMIT 1
) AS missed
