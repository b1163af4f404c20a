-- Moves tasks forward; gives those that moved. What has a digest has been read, and has led on already.
-- States of rank 2 may follow each other. Ranks: `TaskState`.
-- $1 ids uuid[]
-- $2 rounds integer[]
-- $3 states text[]
-- $4 ranks smallint[]
-- $5 records integer[]
-- $6 distinct_records integer[]
-- $7 reasons text[]
UPDATE tasks
SET state = given.state,
    rank = given.rank,
    records = coalesce(given.records, tasks.records),
    distinct_records = coalesce(given.distinct_records, tasks.distinct_records),
    reason = given.reason,
    ended_at = CASE WHEN given.rank = 9 THEN now() END
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::smallint[], $5::integer[], $6::integer[], $7::text[])
    AS given (id, round, state, rank, records, distinct_records, reason)
WHERE tasks.id = given.id
    AND tasks.round = given.round
    AND (tasks.rank < given.rank OR (tasks.rank = 2 AND given.rank = 2 AND tasks.state NOT IN (given.state, 'waiting')))
RETURNING tasks.id, tasks.job_id, tasks.number, tasks.state, tasks.records, tasks.distinct_records, tasks.reason,
    tasks.wanted IS NOT NULL AND NOT coalesce((tasks.wanted ->> 'growth')::boolean, false) AS chained,
    tasks.wanted IS NOT NULL AND tasks.digest = '' AS leads_on,
    tasks.digest = '' AND coalesce((tasks.wanted ->> 'growth')::boolean, false) AS growth,
    tasks.round, tasks.slice, tasks.purpose, tasks.deadline_at
