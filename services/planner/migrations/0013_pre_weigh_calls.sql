-- How large a call is, so that a window can be limited by that; of those planned before it is not known.
ALTER TABLE tasks ADD COLUMN call_bytes integer NOT NULL DEFAULT 0;
