"""The client against answers of a gateway: what it sends, what it makes of answers, refusals and broken connections."""

from collections.abc import AsyncIterator, Callable

import httpx
import orjson
import pytest

from shared.api_models import Reply
from shared.client import ApiError, SluiceClient
from shared.errors import Problem
from tests.unit.client import answers
from tests.unit.client.answers import JOB_ID

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, **options: str) -> SluiceClient:
    return SluiceClient("http://gateway.example", transport=httpx.MockTransport(answer), **options)


class Broken(httpx.AsyncByteStream):
    """A body that ends with a lost connection."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        raise httpx.ReadError("connection lost")


async def test_submit_sends_the_document_the_key_and_who_asks() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json=answers.reference())

    async with client(answer, api_key="secret") as sluice:
        reference = await sluice.submit({"source": "acme-items"}, idempotency_key="k1")
    assert reference.id == JOB_ID
    [request] = seen
    assert (request.method, request.url.path) == ("POST", "/jobs")
    assert orjson.loads(request.content) == {"source": "acme-items"}
    assert (request.headers["idempotency-key"], request.headers["authorization"]) == ("k1", "Bearer secret")


async def test_a_refusal_carries_the_problem_document_with_every_mistake() -> None:
    body = answers.problem(422, "the document has mistakes", ("/poll/pages/size", "must be at least 1, got 0"))
    async with client(lambda request: httpx.Response(422, json=body)) as sluice:
        with pytest.raises(ApiError) as caught:
            await sluice.submit({})
    assert (caught.value.status, caught.value.title) == (422, "Refused")
    assert caught.value.errors == (Problem("/poll/pages/size", "must be at least 1, got 0"),)
    assert str(caught.value) == "the document has mistakes\n  /poll/pages/size: must be at least 1, got 0"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": [1]}', b'"text"'])
async def test_a_refusal_without_a_problem_document_is_told_by_its_status(body: bytes) -> None:
    async with client(lambda request: httpx.Response(500, content=body)) as sluice:
        with pytest.raises(ApiError, match="the server answered 500"):
            await sluice.job(JOB_ID)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"jobs": {}}', b'{"jobs": [{}]}', b""])
async def test_another_server_at_the_address_is_told(body: bytes) -> None:
    async with client(lambda request: httpx.Response(200, content=body)) as sluice:
        with pytest.raises(ApiError, match="not as Sluice does"):
            await sluice.jobs()


@pytest.mark.parametrize(
    ("body", "headers"), [(b"<html>", {}), (b"{}", {}), (b"", {}), (b"{}", {"sluice-job": "no UUID"})]
)
async def test_another_server_is_told_to_a_request_too(body: bytes, headers: dict[str, str]) -> None:
    async with client(lambda request: httpx.Response(202, content=body, headers=headers)) as sluice:
        with pytest.raises(ApiError, match="not as Sluice does"):
            await sluice.request({}, wait_seconds=1)


async def test_a_redirect_that_the_vendor_answers_is_an_answer() -> None:
    there = {"location": "https://vendor.example/", "sluice-job": str(JOB_ID)}
    async with client(lambda request: httpx.Response(303, headers=there)) as sluice:
        reply = await sluice.request({}, wait_seconds=1)
    assert isinstance(reply, Reply)
    assert (reply.job_id, reply.status, reply.headers["location"]) == (JOB_ID, 303, there["location"])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_no_success(status: int) -> None:
    """Such as a proxy gives for http, without a body: nothing was cancelled or deleted."""
    there = {"location": "https://gateway.example/"}
    async with client(lambda request: httpx.Response(status, headers=there)) as sluice:
        orders = sluice.cancel(JOB_ID), sluice.delete("vendors", "acme"), sluice.request({}, wait_seconds=1)
        for work in (*orders, anext(sluice.events(JOB_ID))):
            with pytest.raises(ApiError, match=r"redirects to https://gateway\.example/") as caught:
                await work
            assert caught.value.status == status


@pytest.mark.parametrize("verb", ["redrive", "discard"])
async def test_an_order_for_dead_letters_is_given_until_nothing_is_left(verb: str) -> None:
    rest = {"from": "2026-01-01T00:00:00+00:00", "to": "2026-01-02T00:00:00.000001+00:00"}
    seen: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(orjson.loads(request.content)["filter"])
        done = {"count": 10_000, "held": 1, "ids": [str(JOB_ID)], "dry_run": False, "rest": rest}
        return httpx.Response(202, json=done if len(seen) < 3 else {**done, "count": 5, "held": 0, "rest": None})

    async with client(answer) as sluice:
        if verb == "redrive":
            done = await sluice.redrive_letters({"reason": "bug"})
        else:
            done = await sluice.discard_letters({"reason": "bug"}, "old")
    assert (done.count, done.held, done.ids, done.rest) == (20_005, 1, [JOB_ID], None)
    assert seen == [{"reason": "bug"}, *2 * [{"reason": "bug", **rest}]]


async def test_a_server_that_is_slow_to_answer_is_not_said_to_be_down() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    async with client(answer) as sluice:
        with pytest.raises(ApiError, match="may still act") as caught:
            await sluice.jobs()
    assert "make up" not in str(caught.value)


async def test_no_server_at_the_address_is_told_with_what_to_start() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with client(answer) as sluice:
        with pytest.raises(ApiError, match="make up") as caught:
            await sluice.jobs()
        with pytest.raises(ApiError, match="make up"):
            await anext(sluice.events(JOB_ID))
    assert caught.value.status == 0


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ApiError, match="expected an address such as"):
        SluiceClient(url)


async def test_tasks_are_fetched_page_by_page() -> None:
    pages = {None: ([0, 1], 1), "1": ([2, 3], 3), "3": ([4], None)}
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after")
        seen.append(request.url.params.get("state"))
        numbers, following = pages[after]
        return httpx.Response(200, json={"tasks": [answers.task(number) for number in numbers], "next": following})

    async with client(answer) as sluice:
        found = [task.number async for task in sluice.tasks(JOB_ID, state="completed")]
    assert found == [0, 1, 2, 3, 4]
    assert seen == ["completed"] * 3


async def test_events_are_taken_up_behind_the_last_one_when_the_connection_breaks() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        match len(asked):
            case 1:
                half = answers.event(3, "progressed")[:20]
                return httpx.Response(
                    200, stream=Broken(answers.event(1, "accepted"), answers.event(2, "planned"), half)
                )
            case 2:
                raise httpx.ConnectError("restarting")
            case 3:
                return httpx.Response(503, json=answers.problem(503, "not yet"))
            case 4:
                return httpx.Response(200, content=b": still here\n\n")
        return httpx.Response(200, content=answers.event(3, "progressed") + answers.ended(4))

    async with client(answer) as sluice:
        names = [event.name async for event in sluice.events(JOB_ID)]
    assert names == ["job.accepted", "job.planned", "job.progressed", "job.completed"]
    assert asked == ["", "2", "2", "2", "2"]


async def test_a_redriven_job_is_followed_past_its_earlier_end() -> None:
    body = answers.ended(1, "completed_with_failures") + answers.event(2, "progressed") + answers.ended(3)
    async with client(lambda request: httpx.Response(200, content=body)) as sluice:
        assert [event.sequence async for event in sluice.events(JOB_ID)] == ["1", "2", "3"]


@pytest.mark.parametrize("cut", [Broken, lambda *chunks: httpx.ByteStream(b"".join(chunks))])
async def test_an_earlier_event_may_follow_the_end(cut: Callable[..., httpx.AsyncByteStream]) -> None:
    """A planner died before it sent the event. On the next connection nothing follows."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json=answers.job())
        if request.headers["last-event-id"]:
            return httpx.Response(204)
        return httpx.Response(
            200, stream=cut(answers.event(1, "accepted"), answers.ended(2), answers.event(3, "planned"))
        )

    async with client(answer) as sluice:
        names = [event.name async for event in sluice.events(JOB_ID)]
        assert (await sluice.wait(JOB_ID)).status == "completed"
    assert names == ["job.accepted", "job.completed", "job.planned"]


async def test_an_unknown_job_has_no_events() -> None:
    async with client(lambda request: httpx.Response(404, json=answers.problem(404, "there is no job"))) as sluice:
        with pytest.raises(ApiError, match="there is no job"):
            await anext(sluice.events(JOB_ID))


async def test_wait_gives_the_job_as_it_ended_or_ends_at_its_deadline() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, content=answers.ended(1) if "/jobs/over" not in str(request.url) else b"")
        return httpx.Response(200, json=answers.job())

    async with client(answer) as sluice:
        assert (await sluice.wait(JOB_ID, deadline_seconds=5)).is_over
        with pytest.raises(TimeoutError):
            await sluice.wait("over-never", deadline_seconds=0.05)


async def test_actions_and_configuration_go_to_their_places() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path}")
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200, json={"vendor": "acme", "vendors": [{"vendor": "acme"}], "dead_letters": []})

    async with client(answer) as sluice:
        for act in (sluice.cancel, sluice.pause, sluice.resume, sluice.redrive):
            await act(JOB_ID)
        await sluice.put("vendors", "acme", {"base_url": "https://acme.example"})
        assert (await sluice.get("vendors", "acme"))["vendor"] == "acme"
        assert await sluice.list_all("vendors") == [{"vendor": "acme"}]
        await sluice.delete("vendors", "acme")
        assert await sluice.dead_letters(service="fetcher", job_id=JOB_ID) == []
    actions = [f"POST /jobs/{JOB_ID}/{action}" for action in ("cancel", "pause", "resume", "redrive")]
    places = ["PUT /vendors/acme", "GET /vendors/acme", "GET /vendors", "DELETE /vendors/acme", "GET /dead-letters"]
    assert seen == actions + places
