-- Names of all vendors (vendor is null) and sources.
SELECT id, NULL AS vendor FROM vendors
UNION ALL
SELECT id, document ->> 'vendor' FROM sources
