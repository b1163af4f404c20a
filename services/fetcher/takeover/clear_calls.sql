-- A fetcher that was taken for dead lives: none of its calls ended it. $1 fetcher_id uuid
UPDATE calls SET taken_from = array_remove(taken_from, $1) WHERE $1 = ANY (taken_from)
