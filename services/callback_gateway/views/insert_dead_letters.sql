-- Keeps dead letters. $1 ids uuid[], $2 services text[], $3 topics text[], $4 reasons text[], $5 job_ids uuid[], $6 task_ids uuid[], $7 at timestamptz[], $8 documents jsonb[]
INSERT INTO dead_letters (id, service, topic, reason, job_id, task_id, at, document)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::jsonb[]
)
ON CONFLICT (id) DO NOTHING
