-- Forgets fetchers that were silent for long; without a row they count as silent, too. $1 older_than interval
DELETE FROM fetchers WHERE seen_at < now() - $1::interval
