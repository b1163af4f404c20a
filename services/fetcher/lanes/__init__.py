"""Calls that wait → calls under way, each with its permit.

- `lanes.py`: all lanes of a process, and what they share (`resources.py`), such as its slots (`slots.py`)
- `lane.py`: the lane of one vendor claims calls together with their permits and starts each at its moment
- `load.py` counts what one lane has under way
- `decide.py` says when it is worth a lane's while to look for calls, and how long it waits otherwise
- `terms.py`: what the vendor's row says when a claim has it locked; `claim.py`: what one claim brings
- `calls.py`: the calls that are open, each from its moment to its outcome
- `mark.py` marks what must not be repeated before it leaves
- `leases.py`: the permits of one vendor; `permit.py`: what a call may do with one, and what it reports of it
"""
