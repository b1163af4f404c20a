-- Inserts tasks; gives those that were new.
-- $1 ids uuid[]
-- $2 job_ids uuid[]
-- $3 numbers integer[]
-- $4 vendors text[]
-- $5 purposes text[]
-- $6 calls json[]
-- $7 wanted json[]
-- $8 positions bigint[]
-- $9 unique_keys text[] (of a job, or of a slice, each is planned once; null: no key)
-- $10 slices integer[]
-- $11 inputs json[]
-- $12 expects_list boolean[]
INSERT INTO tasks (id, job_id, number, vendor, priority, purpose, call, call_bytes, wanted, position, unique_key,
    slice, input, expects_list)
SELECT id, job_id, number, vendor, (SELECT jobs.priority FROM jobs WHERE jobs.id = given.job_id), purpose, call,
    octet_length(call::text), wanted, position, unique_key, slice, input, expects_list
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::json[], $7::json[], $8::bigint[], $9::text[],
    $10::integer[], $11::json[], $12::boolean[]
) AS given (id, job_id, number, vendor, purpose, call, wanted, position, unique_key, slice, input, expects_list)
ON CONFLICT DO NOTHING
RETURNING id
