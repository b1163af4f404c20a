"""The routes that are asked by the thousand a second, in front of all others: what the framework does for a request
costs more than all that is done for a webhook or a new job."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.callback_gateway.http.problems import Refusal, answer_to, failed
from shared.errors import Invalid, Rejected, Unavailable

Answer = Callable[[Request], Awaitable[Response]]


def direct(route: str, answer: Answer) -> ASGIApp:
    """One route as an application of its own; `route` is the pattern that it is counted by."""
    matched = SimpleNamespace(path=route)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = matched
        request = Request(scope, receive)
        try:
            response = await answer(request)
        except (Refusal, Invalid, Rejected, Unavailable) as error:
            response = await answer_to(request, error)
        await response(scope, receive, send)

    return ServerErrorMiddleware(application, handler=failed)


def in_front(webhooks: ASGIApp, new_jobs: ASGIApp, others: ASGIApp) -> ASGIApp:
    """Webhooks and new jobs first; everything else goes to `others`."""

    async def split(scope: Scope, receive: Receive, send: Send) -> None:
        application = others
        if scope["type"] == "http":
            if scope["path"].startswith("/in/"):
                application = webhooks
            elif scope["path"] == "/jobs" and scope["method"] == "POST":
                application = new_jobs
        await application(scope, receive, send)

    return split
