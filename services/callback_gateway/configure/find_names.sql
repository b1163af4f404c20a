-- Names of all vendors (kind is null) and of sources.
SELECT id, NULL AS kind FROM vendors
UNION ALL
SELECT id, CASE WHEN document ->> 'invoke' IS NULL THEN 'poll' ELSE 'invoke' END FROM sources
