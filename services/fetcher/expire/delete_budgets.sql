-- Forgets the budgets of ad-hoc vendors that were not called for long. $1 prefix text, $2 older_than interval
DELETE FROM budgets
WHERE starts_with(vendor, $1)
    AND paused_until < now() - $2::interval
    AND NOT jsonb_path_exists(
        permits,
        '$.windows.*.arrival ? (@ > $since)',
        jsonb_build_object('since', extract(epoch FROM now() - $2::interval) * 1000000)
    )
