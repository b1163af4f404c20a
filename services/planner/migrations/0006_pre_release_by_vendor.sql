ALTER TABLE tasks ADD COLUMN priority smallint NOT NULL DEFAULT 0;
UPDATE tasks SET priority = jobs.priority FROM jobs WHERE jobs.id = tasks.job_id AND tasks.state = 'planned';

-- Whatever waits of a vendor, job by job: a look at what is next must not depend on how many jobs are open.
DROP INDEX tasks_to_release_idx;
CREATE INDEX tasks_to_release_idx ON tasks (vendor, priority, job_id, number) WHERE state = 'planned';
DROP INDEX jobs_running_by_vendor_idx;
