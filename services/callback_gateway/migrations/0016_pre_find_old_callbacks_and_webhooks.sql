-- Of freed pages that were filled again a block range kept the oldest time it had ever held: each step read them all.
CREATE INDEX callbacks_received_at_idx ON callbacks (received_at);
DROP INDEX callbacks_by_time_idx;
CREATE INDEX webhooks_received_at_idx ON webhooks (received_at);
DROP INDEX webhooks_by_age_idx;
