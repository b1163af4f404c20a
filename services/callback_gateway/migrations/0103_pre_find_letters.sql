-- Dead letters of a service or topic, the newest first.
CREATE INDEX dead_letters_by_service_idx ON dead_letters (service, at, id);
CREATE INDEX dead_letters_by_topic_idx ON dead_letters (topic, at, id);
