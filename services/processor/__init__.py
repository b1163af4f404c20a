"""processor: what a payload means.

- decides: which records are in a page, their keys, what is new in this job
- reads: `payloads.stored`
- writes: `tasks.events` (completed, dead), `records.<source>`, `processor.dead`; users' tables in the schema `records`
- owns: the tables `ledger`, `expiries`, `job_keys` and `keyed_jobs` of the schema `processor`

A page is read and taken apart before the transaction begins; what is wrong with it is a value, so that a bad page
harms no other. Within one job the first of several records with the same key counts, so each reaches a sink once:
the sink's table tells which came before, or `job_keys` where there is none.
"""
