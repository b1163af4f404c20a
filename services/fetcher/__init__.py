"""fetcher: how a call is made. The only service with a door to the street.

- decides: when a permit of a vendor's contract allows a call, what an answer means (verdict), what it says about pages
- reads: `fetch.requested`, `vendors`, `jobs.events` (which jobs are paused, go on, or are cancelled)
- writes: `tasks.events` (started, waiting, retrying, stored, enqueued, completed, failed, dead), `payloads.stored`,
  `fetcher.dead`
- owns: the tables `calls`, `attempts`, `budgets`, `fetchers`, `vendors`, `cancelled_jobs`, `paused_jobs` of the schema
  `fetcher`; the payload store

A requested call is written to the table and acknowledged (`enqueue`). Lanes, one for each vendor, claim calls together
with the permits for them, so a slow vendor delays nobody else (`lanes`). Each is made (`call`), and what came of it is
written down and reported (`settle`). A call belongs to the fetcher that claimed it for as long as that fetcher gives
signs of life; then another takes it over, fenced by the claim's number (`takeover`).
"""
