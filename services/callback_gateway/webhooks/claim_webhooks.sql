-- Claims ids of webhooks; gives those that nobody had. Waits for others that are about to claim the same. Commits
-- without waiting for the disk: a claim that a crash of Postgres forgets costs a repetition under the same id.
-- $1 ids uuid[] (sorted)
-- $2 fingerprints bytea[]
INSERT INTO webhooks (id, fingerprint)
SELECT id, fingerprint
FROM set_config('synchronous_commit', 'off', true), unnest($1::uuid[], $2::bytea[]) AS given (id, fingerprint)
ON CONFLICT (id) DO NOTHING
RETURNING id
