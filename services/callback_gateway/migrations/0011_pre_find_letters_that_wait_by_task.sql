CREATE INDEX dead_letters_unsent_by_task_idx ON dead_letters (task_id)
    WHERE state IN ('open', 'redriving') AND round IS NOT NULL;
DROP INDEX dead_letters_open_by_task_idx;
