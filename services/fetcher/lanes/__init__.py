"""Calls that wait → calls under way, each with its permit.

- `lanes.py`: all lanes of a process, and the places that they share (`places.py`)
- `lane.py`: the lane of one vendor claims calls together with their permits and starts each at its moment
- `decide.py` says when it is worth its while to look for calls, `block.py` what one claim brings
- `calls.py`: the calls that are open, each from its moment to its outcome
- `mark.py` marks what must not be repeated before it leaves
- `permit.py`: what a call may do with its permit, and what is told of it
"""
