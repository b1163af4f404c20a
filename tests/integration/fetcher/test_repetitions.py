"""A request is written once for each permit: nothing below the policy writes it again."""

import pytest

from services.fetcher.call.failures import Failure
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from tests.integration.fetcher.site import Free, Site
from tests.integration.fetcher.transports import call, failing, vendor


class Counted(Free):
    """Counts how often a request left."""

    def __init__(self) -> None:
        self.count = 0

    def left(self) -> None:
        self.count += 1


@pytest.mark.parametrize("path", ["/close", "/close-later", "/reset"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("is_kept", [False, True], ids=["fresh", "kept"])
async def test_what_a_vendor_has_read_and_dropped_is_not_written_again(
    transport: Transport, site: Site, path: str, method: str, is_kept: bool
) -> None:
    if is_kept:
        await call(transport, site, "/page")
    failure = await failing(transport, site, path, method=method)
    assert (failure.failure, failure.sent) == (Failure.TRUNCATED, True)
    assert [head.split(" ")[1] for head in site.heads if path in head] == [path]
    assert site.connections == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_is_gone_is_not_written_to(transport: Transport, site: Site, method: str) -> None:
    await call(transport, site, "/page")
    leave, request = Counted(), HttpRequest(method, f"{site.url}/page", {}, None)
    site.end_connections()
    async with transport.send(request, vendor(site), "direct", leave) as answer:
        assert answer.status == 200
    assert (leave.count, len(site.heads), site.connections) == (1, 2, 2)
