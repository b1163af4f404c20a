-- Inserts tasks; gives those that were new. $1 ids uuid[], $2 job_ids uuid[], $3 numbers integer[], $4 vendors text[], $5 purposes text[], $6 calls json[], $7 wanted json[], $8 positions bigint[], $9 cursors text[]
INSERT INTO tasks (id, job_id, number, vendor, purpose, call, wanted, position, cursor)
SELECT id, job_id, number, vendor, purpose, call, wanted, position, cursor
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::json[], $7::json[], $8::bigint[], $9::text[]
) AS given (id, job_id, number, vendor, purpose, call, wanted, position, cursor)
ON CONFLICT DO NOTHING
RETURNING id
