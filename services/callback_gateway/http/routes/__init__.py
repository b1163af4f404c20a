"""The routes, by the first part of their paths.

- `jobs.py`, with `events.py` for the stream of a job's events and `answers.py` for what its vendor answered
- `schedules.py`
- `configuration.py`: vendors, sources and hooks
- `dead_letters.py`
- `callbacks.py`: vendors call back; `webhooks.py`: somebody else's webhooks
- `lookup.py`: what they have in common
"""
