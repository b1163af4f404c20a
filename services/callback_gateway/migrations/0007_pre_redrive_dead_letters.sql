ALTER TABLE dead_letters
    ADD COLUMN state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'redriving', 'redriven', 'discarded')),
    ADD COLUMN round integer,
    ADD COLUMN redrives integer NOT NULL DEFAULT 0,
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN due_at timestamptz,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX dead_letters_due_idx ON dead_letters (due_at) WHERE state = 'redriving';
CREATE INDEX dead_letters_open_by_task_idx ON dead_letters (task_id) WHERE state = 'open' AND round IS NOT NULL;

ALTER TABLE jobs ADD COLUMN redrive_asked_at timestamptz;
CREATE INDEX jobs_ended_idx ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX dead_letters_by_change_idx ON dead_letters (changed_at);
