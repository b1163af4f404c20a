-- Orders to stop jobs that are still to come.
CREATE TABLE early_orders (
    order_id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX early_orders_job_idx ON early_orders (job_id);
