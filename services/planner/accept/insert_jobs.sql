-- Inserts new jobs, paused where an order to stop them came first; gives those that were new.
-- $1 ids uuid[]
-- $2 vendors text[]
-- $3 priorities smallint[]
-- $4 specifications json[]
-- $5 tasks integer[]
-- $6 expected bigint[]
-- $7 discovery_over boolean[]
INSERT INTO jobs (id, state, vendor, priority, specification, planned, open, expected, discovery_over)
SELECT id,
    CASE WHEN EXISTS (SELECT FROM early_orders WHERE early_orders.job_id = given.id) THEN 'paused' ELSE 'running' END,
    vendor, priority, specification, tasks, tasks, expected, discovery_over
FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::json[], $5::integer[], $6::bigint[], $7::boolean[])
    AS given (id, vendor, priority, specification, tasks, expected, discovery_over)
ON CONFLICT (id) DO NOTHING
RETURNING id
