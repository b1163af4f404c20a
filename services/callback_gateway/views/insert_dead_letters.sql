-- Keeps dead letters; one whose task was planned again since is not open.
-- $1 ids uuid[]
-- $2 services text[]
-- $3 topics text[]
-- $4 reasons text[]
-- $5 job_ids uuid[]
-- $6 task_ids uuid[]
-- $7 at timestamptz[]
-- $8 documents jsonb[]
-- $9 rounds integer[]
-- $10 redrives integer[]
-- $11 left_out boolean[]
INSERT INTO dead_letters (id, service, topic, reason, job_id, task_id, at, document, round, redrives, left_out, state)
SELECT given.*,
    CASE
        WHEN EXISTS (SELECT FROM tasks WHERE tasks.id = given.task_id AND tasks.round > given.round) THEN 'redriven'
        ELSE 'open'
    END
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::jsonb[],
    $9::integer[], $10::integer[], $11::boolean[]
) AS given (id, service, topic, reason, job_id, task_id, at, document, round, redrives, left_out)
ON CONFLICT (id) DO NOTHING
