-- Of freed pages that were filled again a block range kept the oldest time it had ever held: each step read them all.
CREATE INDEX ledger_by_time_idx ON ledger (recorded_at);
DROP INDEX ledger_recorded_at_idx;
