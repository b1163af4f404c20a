"""A vendor on a real socket."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.fetcher.site import Site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.open()
    yield made
    await made.close()
