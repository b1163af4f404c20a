-- Names of all vendors (kind is null) and of sources, and when each was written down.
SELECT id, NULL AS kind, updated_at FROM vendors
UNION ALL
SELECT id, CASE WHEN document ->> 'invoke' IS NULL THEN 'poll' ELSE 'invoke' END, updated_at FROM sources
