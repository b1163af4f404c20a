"""Problems, as HTTP answers."""

import httpx


def check_problem(answer: httpx.Response, status: int) -> None:
    """The answer has this status and is a problem that says so."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
