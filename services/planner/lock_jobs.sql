-- Locks jobs, in the order of their ids. $1 ids uuid[]
SELECT id, state, specification, planned, open, completed, failed, cancelled, records, distinct_records, expected,
    barren, discovery_over, reason, cuts, shrank, redriven_to,
    extract(epoch FROM clock_timestamp() - progressed_at)::float8 AS since_progress_seconds
FROM jobs
WHERE id = ANY ($1)
ORDER BY id
FOR UPDATE
