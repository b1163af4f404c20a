"""The transport, whose name server is the test's."""

from collections.abc import AsyncIterator

import pytest

from services.fetcher.call.transport import Transport
from tests.integration.fetcher.transports import Names


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def transport(names: Names) -> AsyncIterator[Transport]:
    made = Transport(names)
    yield made
    await made.close()
