"""The one HTTP edge: requests are let in, checked, made durable and answered; nothing is decided here.

- `routes/` answers: a file for each part of the API
- `server.py` listens, puts the routes together and counts requests; `fast_routes.py` answers webhooks and new jobs
  before the framework does

What a request passes on its way in:
- `protocol.py`: how large a head may be, how long it may take, how many connections there are
- `body_budget.py`: how many bytes of bodies are held at once
- `access.py`: API keys and their scopes
- `body.py`: bodies, read within their bounds; JSON

What routes work with (`context.py`):
- `checks.py`: mistakes that can be reported at once; `idempotency.py`: whether it is a repetition
- `submission.py`: a new job, up to its answer; `new_jobs.py` keeps it; `prefer_wait.py` waits for its end
- `callback_rules.py`, `verification_secrets.py`: how vendors call back, and by what senders prove who they are
- `follow.py`, `event_streams.py`: who is to hear of a job's events; `slots.py`: how many requests may stay long
- `store.py` and `*.sql`: what is read

What is answered:
- `presentation.py`: rows as the API shows them; `json_response.py`
- `problems.py`: errors as problem+json; `description.py`: `/openapi.json`
"""
