-- Jobs that the planner has; one that was rejected before has been sent again. $1 ids uuid[], $2 kinds text[], $3 vendors text[], $4 sources text[], $5 at timestamptz[], $6 sinks jsonb[], $7 correlation_ids uuid[]
INSERT INTO jobs (id, state, kind, vendor, source, created_at, sinks, correlation_id)
SELECT id, 'accepted', kind, vendor, source, at, sinks, correlation_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[], $7::uuid[])
    AS given (id, kind, vendor, source, at, sinks, correlation_id)
ON CONFLICT (id) DO UPDATE
SET state = CASE WHEN jobs.state IN ('requested', 'rejected') THEN 'accepted' ELSE jobs.state END,
    kind = excluded.kind,
    vendor = excluded.vendor,
    source = excluded.source,
    sinks = excluded.sinks,
    correlation_id = excluded.correlation_id,
    mistakes = NULL,
    reason = CASE WHEN jobs.state = 'rejected' THEN '' ELSE jobs.reason END,
    ended_at = CASE WHEN jobs.state = 'rejected' THEN NULL ELSE jobs.ended_at END,
    updated_at = now()
