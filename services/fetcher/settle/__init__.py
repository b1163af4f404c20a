"""Outcomes of calls → rows → `tasks.events`, `payloads.stored`, `fetcher.dead`.

Payloads that no pointer will ever lead to are deleted.
"""
