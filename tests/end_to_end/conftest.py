"""One cluster for all tests of a module: each condition has a test of its own, and the services start once.

A test that uses it runs in the module's event loop, by `pytest.mark.asyncio(loop_scope="module")`, and names vendors,
sources and tables that no other test of its module uses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.local.stack import Addresses
from tests.support import stack
from tests.support.cluster import Cluster, cluster
from tests.support.stack import Place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that would use the module's cluster from an event loop of its own: it would hang."""
    for item in items:
        marker = item.get_closest_marker("asyncio")
        if "shared_topics" in getattr(item, "fixturenames", ()) and (
            marker is None or marker.kwargs.get("loop_scope") != "module"
        ):
            raise pytest.UsageError(f'{item.nodeid} needs pytest.mark.asyncio(loop_scope="module")')


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Environment variables that the services of the module's cluster get. A module that needs some has a fixture of
    this name."""
    return {}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's cluster, with its `payloads` and `logs`."""
    return tmp_path_factory.mktemp("cluster")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_topics(addresses: Addresses) -> AsyncIterator[Place]:
    """The database and the topics of the module's cluster."""
    made = await stack.make_place(addresses)
    async with stack.own_topics(made):
        yield made
    await stack.drop_place(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(shared_topics: Place, root: Path, environment: dict[str, str]) -> AsyncIterator[Cluster]:
    """The module's cluster: all five services and the simulator."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        async with cluster(shared_topics, root) as made:
            yield made
