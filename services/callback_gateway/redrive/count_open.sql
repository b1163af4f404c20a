-- Open dead letters by service and reason, the most frequent first.
SELECT service, left(reason, 100) AS reason, count(*) AS count
FROM dead_letters
WHERE state = 'open'
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
