-- Whether any message waits under these topics and keys. $1 topics text[], $2 keys text[]
SELECT EXISTS (
    SELECT 1 FROM spool JOIN unnest($1::text[], $2::text[]) AS given (topic, key) USING (topic, key)
)
