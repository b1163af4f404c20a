-- Locks the next tasks of each vendor, one job after the other within a priority. $1 vendors text[], $2 rooms integer[]
WITH wanted AS (
    SELECT vendor, room FROM unnest($1::text[], $2::integer[]) AS given (vendor, room)
),
candidates AS (
    SELECT wanted.room, jobs.vendor, jobs.priority, next.id, next.turn
    FROM wanted
    JOIN jobs ON jobs.vendor = wanted.vendor AND jobs.state = 'running'
    CROSS JOIN LATERAL (
        SELECT tasks.id, row_number() OVER (ORDER BY tasks.number) AS turn
        FROM tasks
        WHERE tasks.job_id = jobs.id AND tasks.state = 'planned'
        ORDER BY tasks.number
        LIMIT wanted.room
    ) AS next
),
ranked AS (
    SELECT id, room, row_number() OVER (PARTITION BY vendor ORDER BY priority, turn, id) AS place FROM candidates
)
SELECT tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.vendor, tasks.purpose, tasks.call, tasks.wanted,
    tasks.position, tasks.cursor, tasks.slice, tasks.input
FROM tasks
JOIN ranked ON ranked.id = tasks.id AND ranked.place <= ranked.room
ORDER BY ranked.place
FOR UPDATE OF tasks SKIP LOCKED
