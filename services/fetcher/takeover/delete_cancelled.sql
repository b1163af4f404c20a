-- Forgets calls of cancelled jobs that came to wait again after the cancellation.
DELETE FROM calls
WHERE id IN (
    SELECT calls.id FROM calls JOIN cancelled_jobs USING (job_id)
    WHERE calls.state = 'waiting' AND NOT calls.outlives
    FOR UPDATE OF calls SKIP LOCKED
)
