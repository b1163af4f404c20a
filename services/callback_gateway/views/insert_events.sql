-- Keeps events, in order. $1 job_ids uuid[], $2 types text[], $3 data jsonb[]
INSERT INTO job_events (job_id, type, data)
SELECT job_id, type, data
FROM unnest($1::uuid[], $2::text[], $3::jsonb[]) WITH ORDINALITY AS given (job_id, type, data, place)
ORDER BY place
