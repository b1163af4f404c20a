-- Letters of tasks that were planned again since: open ones, and those that wait for their turn. $1 task_ids uuid[], $2 rounds integer[]
UPDATE dead_letters
SET state = 'redriven', changed_at = now()
FROM unnest($1::uuid[], $2::integer[]) AS given (task_id, round)
WHERE dead_letters.task_id = given.task_id
    AND dead_letters.round < given.round
    AND dead_letters.state IN ('open', 'redriving')
