-- Who writes letters does so alone; those who write tasks that were planned again only keep them away. $1 alone boolean
SELECT CASE
    WHEN $1 THEN pg_advisory_xact_lock(hashtext('callback_gateway.dead_letters'))
    ELSE pg_advisory_xact_lock_shared(hashtext('callback_gateway.dead_letters'))
END
