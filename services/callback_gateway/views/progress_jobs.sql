-- Where jobs stand; gives those for which it was news: that were not over since, nor heard of something later. By less
-- than `almost` it is no later. What was done lately, and in how long, fades within minutes (never to nothing: a product
-- too small is an error) and grows only while a job runs: neither a pause nor what was before a redrive slows it down.
-- $1 ids uuid[]
-- $2 states text[]
-- $3 planned integer[]
-- $4 completed integer[]
-- $5 failed integer[]
-- $6 cancelled integer[]
-- $7 records bigint[]
-- $8 distinct_records bigint[]
-- $9 at timestamptz[]
-- $10 almost interval
UPDATE jobs
SET state = given.state,
    planned = given.planned,
    completed = given.completed,
    failed = given.failed,
    cancelled = given.cancelled,
    records = given.records,
    distinct_records = given.distinct_records,
    lately_done = CASE WHEN jobs.state = 'running' AND jobs.reported_at < given.at
        THEN greatest(jobs.lately_done, 1e-9) * 300 / (300 + extract(epoch FROM given.at - jobs.reported_at))
            + greatest(given.completed + given.failed + given.cancelled
                - jobs.completed - jobs.failed - jobs.cancelled, 0)
        ELSE jobs.lately_done END,
    lately_seconds = CASE WHEN jobs.state = 'running' AND jobs.reported_at < given.at
        THEN (jobs.lately_seconds * 300 / (300 + extract(epoch FROM given.at - jobs.reported_at)))
            + extract(epoch FROM given.at - jobs.reported_at)
        ELSE jobs.lately_seconds END,
    reason = '',
    complete = NULL,
    ended_at = NULL,
    redrive_asked_at = NULL,
    reported_at = greatest(jobs.reported_at, given.at),
    updated_at = given.at
FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[],
    $9::timestamptz[]
) AS given (id, state, planned, completed, failed, cancelled, records, distinct_records, at)
WHERE jobs.id = given.id AND (jobs.ended_at IS NULL OR jobs.ended_at < given.at)
    AND (jobs.reported_at IS NULL OR jobs.reported_at <= given.at + $10::interval)
RETURNING jobs.id
