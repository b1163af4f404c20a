-- A stop of the fetcher was requested: what it leaves open did not end it. $1 fetcher_id uuid
UPDATE fetchers SET stopped = true WHERE id = $1
