"""How one call is made: request → HTTP → payload, and what came of it. Lanes start it; settle writes its outcome.

- `make.py` makes a call, with what `prepare.py` and `request.py` put together and `transport.py` sends
- `decide.py` says what an answer means, `facts.py` what it says about pages
- `outcome.py` and `messages.py` say what becomes of the call, and how that is reported
"""
