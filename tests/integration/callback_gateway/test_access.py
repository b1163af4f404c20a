"""API keys over HTTP: asked for, looked at for their scopes, revoked."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.callback_gateway.http.access import AREAS, OPEN
from services.callback_gateway.keys import keyring
from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.clock import monotonic
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.outages import AWAY
from tests.support.cluster import PROJECT
from tests.support.eventually import eventually
from tests.support.stack import Place

REMOTE = {"X-Forwarded-For": "192.0.2.7"}
PAGES = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})


@pytest.fixture
async def guarded(serve_edge: ServeEdge, producer: Producer) -> Served:
    """An edge that asks everybody for a key."""
    return await serve_edge(producer, gateway_api_keys="required")


class Operator:
    """Uses the command as an operator would."""

    def __init__(self, place: Place, payloads: Path) -> None:
        self._environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), **place.environment(payloads)}

    async def keys(self, *arguments: str) -> str:
        """What `keys …` prints."""
        argv = [sys.executable, "-m", "services.callback_gateway", "keys", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, argv, env=self._environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def operator(topics: Place, payloads: Path) -> Operator:
    return Operator(topics, payloads)


def refusals(status: int) -> float:
    """How many requests were answered with this status so far."""
    return REGISTRY.get_sample_value("sluice_access_refused_total", {"status": str(status)}) or 0.0


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_opens_what_its_scopes_say(guarded: Served, operator: Operator) -> None:
    key = await operator.keys("create", "--name", "reader", "--scope", "jobs:read")
    none = await guarded.http.get("/jobs")
    assert (none.status_code, none.headers["www-authenticate"]) == (401, "Bearer")
    assert none.headers["content-type"] == "application/problem+json"
    assert (await eventually(lambda: guarded.http.get("/jobs", headers=bearer(key)))).status_code == 200
    before = refusals(403)
    for method, path in (("POST", "/jobs"), ("GET", "/vendors"), ("DELETE", "/hooks/x"), ("GET", "/dead-letters")):
        answer = await guarded.http.request(method, path, headers=bearer(key))
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), path
    for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), "sluice_x", "\xfc"):
        header = [(b"Authorization", f"Bearer {wrong}".encode("latin-1"))]
        assert (await guarded.http.get("/jobs", headers=header)).status_code == 401, wrong
    assert refusals(403) == before + 4
    listed = await operator.keys("list")
    assert "reader  jobs:read" in listed
    assert key not in listed
    assert key.rsplit("_", 1)[1] not in listed


async def test_a_schedule_does_later_what_its_key_may_do_now(
    guarded: Served, operator: Operator, reader_for: ReaderFor, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else it would be a way to start jobs, or to cancel those of others, for who may not."""
    requested = await reader_for("schedules.requested")
    mere, whole = [
        bearer(await operator.keys("create", "--name", name, "--scope", "schedules:write", *more))
        for name, more in (("mere", ()), ("whole", ("--scope", "jobs:write")))
    ]
    start = {"start": {"url": "https://api.example/items"}}
    publish = {"publish": {"topic": "jobs.control", "event": {"job_id": str(new_id()), "action": "cancel"}}}
    await eventually(lambda: _is_known(guarded, mere))
    for document in (start, publish):
        for path in ("/schedules", "/schedules/"):
            answer = await guarded.http.post(path, json={"schedule": "a", "every": "1h", **document}, headers=mere)
            assert (answer.status_code, "jobs:write" in answer.json()["detail"]) == (403, True), answer.text
        answer = await guarded.http.post("/schedules", json={"schedule": "a", "every": "1h", **document}, headers=whole)
        assert answer.status_code == 202, answer.text
    assert "the API key lacks the scope jobs:write" in capsys.readouterr().out
    assert (await guarded.http.post("/schedules/a/pause", headers=mere)).status_code == 202
    assert (await guarded.http.get("/schedules", headers=mere)).status_code == 403
    await eventually(lambda: len(requested.values) == 3)


async def test_two_api_keys_share_no_idempotency_keys(guarded: Served, operator: Operator) -> None:
    """Two clients that count their orders would get each other's jobs and answers."""
    scopes = ("--scope", "jobs:write", "--scope", "schedules:write")
    first, second = [bearer(await operator.keys("create", "--name", name, *scopes)) for name in ("one", "two")]
    await eventually(lambda: _is_known(guarded, second))
    documents = {
        "/jobs": ({"url": "https://api.example/items"}, {"url": "https://api.example/others"}),
        "/schedules": [{"every": every, "start": {"url": "https://api.example/items"}} for every in ("1h", "2h")],
    }
    for place, (mine, other) in documents.items():
        asked = [(first, mine), (second, mine), (first, mine), (second, other)]
        answers = [
            await guarded.http.post(place, json=document, headers={**key, "Idempotency-Key": f"{place} 1"})
            for key, document in asked
        ]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 422]
        ids = [answer.json()["id"] for answer in answers[:3]]
        assert (ids[0] == ids[2], ids[0] == ids[1]) == (True, False)


async def _is_known(edge: Served, headers: dict[str, str]) -> bool:
    return (await edge.http.get("/schedules", headers=headers)).status_code == 403


async def test_a_revoked_key_opens_nothing_a_second_later(
    guarded: Served, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = monotonic()
    monkeypatch.setattr(keyring, "monotonic", lambda: now)
    key = await operator.keys("create", "--name", "ci", "--scope", "jobs:read", "--scope", "config:write")
    assert (
        await guarded.http.put("/vendors/a", json={"base_url": "https://a.example"}, headers=bearer(key))
    ).is_success
    await operator.keys("revoke", key.split("_")[1])
    now += 1.0
    assert (await guarded.http.get("/jobs", headers=bearer(key))).status_code == 401


async def test_a_key_that_asks_too_often_delays_nobody_else(
    serve_edge: ServeEdge, producer: Producer, operator: Operator
) -> None:
    guarded = await serve_edge(producer, gateway_api_keys="required", gateway_key_rate=0.01, gateway_key_burst=20)
    greedy, modest = [
        bearer(await operator.keys("create", "--name", name, "--scope", "jobs:read", "--scope", "jobs:write"))
        for name in ("greedy", "modest")
    ]
    await eventually(lambda: _is_open(guarded, modest))
    before = refusals(429)
    answers = await asyncio.gather(*(guarded.http.get("/jobs", headers=greedy) for _ in range(300)))
    told = Counter(answer.status_code for answer in answers)
    assert told == {200: 20, 429: 280}
    assert refusals(429) == before + 280
    refused = await guarded.http.post("/jobs", json={"url": "https://api.example/items"}, headers=greedy)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert 0 < int(refused.headers["retry-after"]) <= 100
    assert (await guarded.http.get("/jobs", headers=modest)).status_code == 200
    assert (await guarded.http.get("/openapi.json")).status_code == 200


async def _is_open(edge: Served, headers: dict[str, str]) -> bool:
    return (await edge.http.get("/jobs", headers=headers)).status_code == 200


async def test_webhooks_and_the_description_need_no_key(guarded: Served) -> None:
    assert (await guarded.http.get("/openapi.json")).status_code == 200
    assert (await guarded.http.post("/in/nobody", json={})).status_code == 404


async def test_this_machine_needs_no_key_unless_it_speaks_for_others(edge: Served) -> None:
    assert (await edge.http.get("/jobs")).status_code == 200
    assert (await edge.http.get("/jobs", headers=REMOTE)).status_code == 401
    assert (await edge.http.get("/jobs", headers={"Host": "evil.example"})).status_code == 401


async def test_a_page_of_another_site_is_not_this_machine(edge: Served) -> None:
    """A form needs nobody's leave to post: the browser that shows it may run beside the gateway."""
    for headers in PAGES:
        answer = await edge.http.post("/schedules/nightly/trigger", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), headers


async def test_the_door_can_be_left_open(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, gateway_api_keys="off")
    assert (await edge.http.get("/jobs", headers=REMOTE)).status_code == 200


async def test_an_open_door_is_none_for_pages_of_other_sites(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, gateway_api_keys="off")
    own = {"Origin": f"http://127.0.0.1:{edge.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await edge.http.get("/jobs", headers=own)).status_code == 200
    for headers in PAGES:
        for path in ("/schedules/nightly/trigger", "/jobs"):
            answer = await edge.http.post(path, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), headers
        assert (await edge.http.post("/in/nobody", json={}, headers=headers)).status_code == 404


async def test_a_database_that_is_away_leaves_known_keys_in_force(
    guarded: Served, operator: Operator, serve_edge: ServeEdge, producer: Producer
) -> None:
    key = await operator.keys("create", "--name", "ci", "--scope", "jobs:write")
    job = {"url": "https://api.example/items"}
    assert (await guarded.http.post("/jobs", json=job, headers=bearer(key))).status_code == 202
    await guarded.database.close()
    assert (await guarded.http.post("/jobs", json=job, headers=bearer(key))).status_code == 202
    never = await serve_edge(producer, AWAY, gateway_api_keys="required")
    answer = await never.http.post("/jobs", json=job, headers=bearer(key))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_when_a_key_was_used_is_remembered(
    guarded: Served, operator: Operator, database_for: DatabaseFor
) -> None:
    key = await operator.keys("create", "--name", "ci", "--scope", "jobs:read")
    database: Database = await database_for("callback-gateway")
    await guarded.http.get("/jobs", headers=bearer(key))
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT used_at > now() - interval '1 minute' FROM api_keys")
        assert await tx.fetchval("SELECT digest FROM api_keys") != key.encode()


async def test_every_route_is_behind_the_door_or_open_on_purpose(edge: Served) -> None:
    description = (await edge.http.get("/openapi.json")).json()
    for path, operations in description["paths"].items():
        first = path.split("/")[1]
        assert first in AREAS or first in OPEN, path
        for operation in operations.values():
            assert bool(operation["security"]) is (first not in OPEN), path
            assert ("401" in operation["responses"]) is (first not in OPEN or first in ("in", "callbacks")), path
            assert ("429" in operation["responses"]) is (first not in OPEN), path
    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
