-- Holds a job that is still to come; forgets what held one that never came. $1 order_id uuid, $2 job_id uuid
WITH forgotten AS (
    DELETE FROM early_orders WHERE at < now() - interval '1 day'
)
INSERT INTO early_orders (order_id, job_id) VALUES ($1, $2) ON CONFLICT (order_id) DO NOTHING
