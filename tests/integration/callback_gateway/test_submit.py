"""POST /jobs: checked, durable, then answered; repeated requests are the same job."""

import asyncio
from operator import itemgetter
from uuid import uuid4

import asyncpg
import pytest

from shared.ids import derived_id
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.support.eventually import eventually
from tests.support.stack import Place

JOB = {"url": "https://api.example/items"}
PRIVATE = ["127.0.0.1", "127.0.0.1#x", "[::1]:8080", "0", "2130706433", "0x7f.1", "0177.0.0.1", "localhost."]
PRIVATE += ["169.254.169.254", "100.100.100.200", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]"]
PRIVATE += ["[2002:7f00:1::]", "[fd00:ec2::254]"]


async def test_an_accepted_job_is_on_its_topic_and_can_be_seen(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("jobs.requested")
    answer = await edge.http.post("/jobs", json=JOB)
    job_id = answer.json()["id"]
    assert (answer.status_code, answer.headers["location"], answer.headers["retry-after"]) == (
        202,
        f"/jobs/{job_id}",
        "1",
    )
    shown = (await edge.http.get(answer.headers["location"])).json()
    assert (shown["id"], shown["status"], shown["percent"]) == (job_id, "requested", None)
    [record] = await eventually(lambda: requested.records)
    assert requested.values == [{"id": job_id, **JOB}]
    assert dict(record.headers)["ce_id"].decode() == str(derived_id("job.requested", job_id))
    assert record.key.decode() == job_id


async def test_a_job_that_cannot_be_shown_is_accepted_since_it_is_durable(
    edge: Served, topics: Place, reader_for: ReaderFor
) -> None:
    """An error would make its client ask once more, without a key for a second job."""
    requested = await reader_for("jobs.requested")
    async with asyncpg.create_pool(topics.owner_url(), min_size=0) as owner:
        await owner.execute("ALTER TABLE callback_gateway.jobs ADD CHECK (false)")
    answer = await edge.http.post("/jobs", json=JOB)
    assert answer.status_code == 202
    await eventually(lambda: requested.records)
    assert requested.values == [{"id": answer.json()["id"], **JOB}]


async def test_a_job_may_bring_its_id(edge: Served) -> None:
    wanted = {**JOB, "id": str(uuid4())}
    first, again = [await edge.http.post("/jobs", json=wanted) for _ in range(2)]
    assert (first.json()["id"], again.json()) == (wanted["id"], first.json())
    assert ("idempotency-replayed" in first.headers, "idempotency-replayed" in again.headers) == (False, True)


async def test_an_id_that_another_job_has_is_refused(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    """The planner would take it for the first one, and nobody would hear of it."""
    requested, edge = await reader_for("jobs.requested"), await serve_edge(producer)
    wanted, other = [{**document, "id": str(uuid4())} for document in (JOB, {"url": "https://api.example/others"})]
    assert (await edge.http.post("/jobs", json=wanted)).status_code == 202
    refused = await edge.http.post("/jobs", json={**other, "id": wanted["id"]})
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert (await edge.http.post("/jobs", json=other)).status_code == 202
    await eventually(lambda: len(requested.values) == 2)
    assert sorted(requested.values, key=itemgetter("id")) == sorted([wanted, other], key=itemgetter("id"))
    await edge.database.close()
    assert (await edge.http.post("/jobs", json=wanted)).status_code == 202


async def test_all_mistakes_are_told_at_once(edge: Served) -> None:
    answer = await edge.http.post("/jobs", json={**JOB, "records": {"sellect": "x"}, "priority": "urgent"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    told = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert told["/records/sellect"] == "unknown field; did you mean select?"
    assert "/priority" in told


async def test_unknown_names_are_told_with_the_nearest_known_one(edge: Served) -> None:
    await edge.http.put("/vendors/acme", json={"base_url": "https://acme.example"})
    answer = await edge.http.post("/jobs", json={"vendor": "acne", "poll": {}})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/vendor", "detail": "no vendor is called acne; did you mean acme?"}]
    assert (await edge.http.post("/jobs", json={"source": "orders"})).json()["errors"][0]["pointer"] == "/source"
    assert (await edge.http.post("/jobs", json={"vendor": "acme", "poll": {}})).status_code == 202


async def test_private_addresses_are_refused(edge: Served) -> None:
    for host in PRIVATE:
        answer = await edge.http.post("/jobs", json={"url": f"http://{host}"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url"), host


async def test_a_vendor_at_a_private_address_has_to_allow_it(edge: Served) -> None:
    detail = "expected a public address, or network: {private_addresses: allow}"
    for host in PRIVATE:
        base_url = f"http://{host.removesuffix('#x')}"
        answer = await edge.http.put("/vendors/acme", json={"base_url": base_url, "retry": {"attempts": 0}})
        [attempts, refused] = answer.json()["errors"]
        assert (answer.status_code, attempts["pointer"]) == (422, "/retry/attempts")
        assert refused == {"pointer": "/base_url", "detail": detail}, host
        answer = await edge.http.put("/vendors/acme", json={"base_url": base_url, "network": {"redirects": "follow"}})
        assert answer.json()["errors"] == [refused]
    private = {"base_url": "http://127.0.0.1:9999", "network": {"private_addresses": "allow"}}
    assert (await edge.http.put("/vendors/acme", json=private)).status_code == 201


@pytest.mark.parametrize("by", ["key", "id"])
async def test_a_private_address_is_refused_while_postgres_is_away(
    serve_edge: ServeEdge, producer: Producer, by: str
) -> None:
    """A client would repeat a request that is answered with 503, and in vain."""
    edge = await serve_edge(producer)
    headers = {"Idempotency-Key": "k1"} if by == "key" else {}
    document = {"url": "http://127.0.0.1", **({} if by == "key" else {"id": str(uuid4())})}
    await edge.database.close()
    answer = await edge.http.post("/jobs", json=document, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


async def test_webhooks_that_lead_nowhere_are_refused(edge: Served) -> None:
    """Of jobs, of the sources that they name, and those that are jobs themselves."""
    await edge.http.put("/vendors/acme", json={"base_url": "https://api.acme.example/v2"})

    async def refused(method: str, path: str, document: dict[str, object]) -> list[str]:
        answer = await edge.http.request(method, path, json=document)
        assert answer.status_code == 422, answer.text
        return [error["pointer"] for error in answer.json()["errors"]]

    astray = {"webhook": "https://me.example/x", "vendor": "acme"}
    notify = [astray, {"webhook": "https://API.acme.example/x", "vendor": "acme"}, {**astray, "vendor": "nobody"}]
    places = ["/notify/0/webhook", "/notify/2/vendor"]
    assert await refused("POST", "/jobs", {**JOB, "notify": notify}) == places
    assert await refused("POST", "/jobs", {"source": "orders", "notify": notify}) == places
    assert await refused("PUT", "/sources/orders", {"vendor": "acme", "poll": {}, "notify": notify}) == places
    assert await refused("POST", "/jobs", {"deliver": astray["webhook"], "vendor": "acme", "event": {}}) == ["/deliver"]


async def test_the_same_request_with_the_same_key_is_the_same_job(edge: Served) -> None:
    headers, document = {"Idempotency-Key": "k1"}, {**JOB, "id": str(uuid4())}
    first, again = [await edge.http.post("/jobs", json=document, headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = await edge.http.post("/jobs", json={"url": "https://api.example/others"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize("by", ["key", "id"])
async def test_a_repetition_is_the_same_job_though_its_source_was_removed_since(edge: Served, by: str) -> None:
    headers = {"Idempotency-Key": "k1"} if by == "key" else {}
    document = {"source": "orders", **({} if by == "key" else {"id": str(uuid4())})}
    assert (await edge.http.put("/vendors/acme", json={"base_url": "https://api.example"})).status_code == 201
    assert (await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": {}})).status_code == 201
    first = await edge.http.post("/jobs", json=document, headers=headers)
    assert (await edge.http.delete("/sources/orders")).status_code == 204
    again = await edge.http.post("/jobs", json=document, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert (await edge.http.post("/jobs", json={**document, "id": str(uuid4())}, headers=headers)).status_code == 422


async def test_a_key_does_not_hide_that_another_job_has_the_id(edge: Served) -> None:
    wanted, other = [{"url": f"https://api.example/{name}", "id": str(uuid4())} for name in ("items", "others")]

    async def ask(document: dict[str, str], key: str) -> int:
        answer = await edge.http.post("/jobs", json=document, headers={"Idempotency-Key": key})
        return answer.status_code

    assert await ask(wanted, "k1") == 202
    assert await ask({**other, "id": wanted["id"]}, "k2") == 422
    assert await ask(other, "k2") == 202
    assert await ask(wanted, "k3") == 202


async def test_fifty_at_once_with_one_key_are_one_job(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("jobs.requested")
    headers = {"Idempotency-Key": "race"}
    answers = await asyncio.gather(*(edge.http.post("/jobs", json=JOB, headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    await eventually(lambda: len(requested.records) == 50)
    assert len({dict(record.headers)["ce_id"] for record in requested.records}) == 1


async def test_many_at_once_can_all_be_seen(edge: Served) -> None:
    answers = await asyncio.gather(*(edge.http.post("/jobs", json=JOB) for _ in range(100)))
    shown = await asyncio.gather(*(edge.http.get(answer.headers["location"]) for answer in answers))
    assert {answer.status_code for answer in shown} == {200}


async def test_jobs_are_listed_a_page_at_a_time(edge: Served) -> None:
    made = [(await edge.http.post("/jobs", json=JOB)).json()["id"] for _ in range(3)]
    first = await edge.http.get("/jobs", params={"limit": 2, "status": "requested"})
    assert [job["id"] for job in first.json()["jobs"]] == [made[2], made[1]]
    place = first.headers["link"].removeprefix("<").split(">", 1)[0]
    assert "status=requested" in place
    assert [job["id"] for job in (await edge.http.get(place)).json()["jobs"]] == [made[0]]


async def test_times_have_one_form_on_whatever_page(edge: Served) -> None:
    place = (await edge.http.post("/jobs", json=JOB)).headers["location"]
    alone = (await edge.http.get(place)).json()["created_at"]
    full, short = [(await edge.http.get("/jobs", params={"limit": limit})).json() for limit in (1, 2)]
    assert [full["jobs"][0]["created_at"], short["jobs"][0]["created_at"]] == [alone, alone]
    assert (full["next"], short["next"]) == (full["jobs"][0]["id"], None)
    assert alone.endswith("Z")


async def test_orders_to_a_job_are_told(edge: Served, reader_for: ReaderFor) -> None:
    control = await reader_for("jobs.control")
    job_id = (await edge.http.post("/jobs", json=JOB)).json()["id"]
    for action in ("pause", "resume", "redrive", "cancel"):
        assert (await edge.http.post(f"/jobs/{job_id}/{action}")).status_code == 202
    await eventually(lambda: len(control.values) == 4)
    assert [order["action"] for order in control.values] == ["pause", "resume", "redrive", "cancel"]
    assert (await edge.http.post(f"/jobs/{uuid4()}/cancel")).status_code == 404
    assert (await edge.http.post(f"/jobs/{job_id}/explode")).status_code == 404
