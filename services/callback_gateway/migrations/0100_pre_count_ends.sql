-- Of the tasks that failed: how many are dead, and how many expired, as the job's end has them. Null: not kept apart.
ALTER TABLE jobs ADD COLUMN dead integer, ADD COLUMN expired integer;
