"""The embedded stack: a real Kafka broker and a real Postgres under the user's own account, without containers.

`stack.py` is the way in. Everything lives below one root folder (`.sluice/` by default): data, logs, the chosen ports
and the pids, so several stacks can live side by side. Nothing outside it is written except the jar cache.
"""
