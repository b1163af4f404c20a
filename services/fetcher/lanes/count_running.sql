-- Open calls of a vendor, over all fetchers. $1 vendor text
SELECT count(*)::integer FROM calls WHERE vendor = $1 AND state = 'running'
