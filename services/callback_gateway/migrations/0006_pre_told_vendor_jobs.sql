-- Rounds of tasks that have heard, or will hear, from a callback what the vendor calls its job.
CREATE VIEW told_vendor_jobs AS
SELECT task_id, round FROM callbacks WHERE vendor_job IS NOT NULL AND verdict IN ('accepted', 'duplicate');
