ALTER TABLE timers
    ALTER COLUMN key TYPE bytea USING convert_to(key, 'UTF8'),
    ALTER COLUMN headers TYPE bytea USING convert_to(headers::text, 'UTF8');
