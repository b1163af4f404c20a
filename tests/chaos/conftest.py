"""What several tests of chaos use."""

from collections.abc import AsyncIterator

import pytest

from tests.support.behind import proxy_to_kafka
from tests.support.proxy import Proxy
from tests.support.stack import Place


@pytest.fixture
async def to_kafka(topics: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    async with proxy_to_kafka(topics.kafka, monkeypatch) as made:
        yield made
