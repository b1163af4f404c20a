-- About how many timers there are, as the statistics have it: reads no row.
SELECT pg_stat_get_live_tuples('timers'::regclass)
