"""Parameters of a query that an operation does not have are refused: a misspelt filter would filter nothing, and a
trial run be a real one."""

from collections.abc import Sequence

from starlette.requests import Request

from services.callback_gateway.http.problems import Refusal
from shared.errors import Problem
from shared.specification.mistakes import near

_OF_VENDORS = "/callbacks/"


async def check_parameters(request: Request) -> None:
    """Do so for the route that was found. A vendor may add some to the URL that it calls back.

    Raises:
        Refusal: with each of them.
    """
    route = request.scope["route"]
    if not route.path.startswith(_OF_VENDORS):
        refuse_parameters(request, sorted(one.alias for one in route.dependant.query_params))


def refuse_parameters(request: Request, known: Sequence[str] = ()) -> None:
    """Do so for an operation that has those which are `known`.

    Raises:
        Refusal: with each of the others.
    """
    if not request.scope["query_string"]:
        return
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        told = [Problem(f"/query/{name}", f"unknown parameter{near(name, list(known))}") for name in unknown]
        raise Refusal(422, "the request has mistakes", told)
