CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    job_id uuid,
    task_id uuid,
    round integer,
    at timestamptz NOT NULL,
    document jsonb NOT NULL,
    -- It came without its message, which was too large to be kept: it cannot be sent again.
    left_out boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'redriving', 'redriven', 'discarded')),
    redrives integer NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT '',
    due_at timestamptz,
    -- The order that took the letter, and how far the turns of its letters are apart; null and nothing for a letter that
    -- is redriven alone.
    order_id uuid,
    apart interval NOT NULL DEFAULT '0',
    changed_at timestamptz NOT NULL DEFAULT now()
);
-- In one order, so that the next letters behind one are found by it, from either end.
CREATE INDEX dead_letters_in_order_idx ON dead_letters (at, id);
CREATE INDEX dead_letters_by_service_idx ON dead_letters (service, at, id);
CREATE INDEX dead_letters_by_topic_idx ON dead_letters (topic, at, id);
CREATE INDEX dead_letters_by_job_idx ON dead_letters (job_id) WHERE job_id IS NOT NULL;
-- By the beginning of the reason: reasons of letters that others wrote may be longer than an index takes.
CREATE INDEX dead_letters_by_reason_idx ON dead_letters (left(reason, 100), at, id);
CREATE INDEX dead_letters_open_by_reason_idx ON dead_letters (service, left(reason, 100)) WHERE state = 'open';
CREATE INDEX dead_letters_unsent_by_task_idx ON dead_letters (task_id)
    WHERE state IN ('open', 'redriving') AND round IS NOT NULL;
CREATE INDEX dead_letters_redriving_by_job_idx ON dead_letters (job_id)
    WHERE state = 'redriving' AND round IS NOT NULL;
CREATE INDEX dead_letters_redriving_by_order_idx ON dead_letters (order_id, due_at) WHERE state = 'redriving';
CREATE INDEX dead_letters_due_idx ON dead_letters (due_at) WHERE state = 'redriving';
CREATE INDEX dead_letters_by_change_idx ON dead_letters (changed_at);
