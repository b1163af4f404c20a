"""One call on a real socket: what becomes of each answer, by what the call is for and by the vendor's own rules."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.fetcher.call import make
from services.fetcher.call.make import CallMaker
from services.fetcher.call.secrets import SigningSecrets
from services.fetcher.call.transport import Transport
from services.fetcher.model import Claimed, Ended, Later, Outcome
from shared.events.tasks import Call, FactsWanted
from shared.payloads.folder import MARK
from shared.payloads.store import PayloadStore
from shared.runtime.clock import utc_now
from shared.specification import bodies
from shared.specification.vendor import Retry
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.site_calls import claimed
from tests.support.descriptors import no_descriptors
from tests.support.eventually import eventually

CANARY = "sk_canary_key_77a1"
BY_QUERY = {"type": "query", "name": "key", "value": "env:ACME_TEST_KEY"}
PENDING = '{"state": "pending", "items": []}'
RULES = [{"when": "status == `404`", "is": "empty"}, {"when": "status == `202`", "is": "retry"}]
EMPTY_RULES = [{"when": "body.state == 'pending'", "is": "empty"}]
BODY_RULES = [{"when": "body.state == 'pending'", "is": "retry"}]


@pytest.fixture
async def maker(tmp_path: Path) -> AsyncIterator[CallMaker]:
    transport = Transport()
    yield CallMaker(transport, PayloadStore(tmp_path.as_uri()))
    await transport.close()


def told_next(outcome: Outcome) -> str | None:
    """What is told of the next page; the key is in nothing that is told."""
    assert isinstance(outcome, Ended)
    assert not any(CANARY in repr(message) for message in outcome.messages)
    told = [orjson.loads(message.value) for message in outcome.messages if message.value]
    [found] = [event["facts"]["next"] for event in told if event.get("facts")]
    return None if found is None else str(found)


def states(outcome: Outcome) -> list[str]:
    told = [orjson.loads(message.value) for message in outcome.messages if message.value]
    return [event["state"] for event in told if event["type"] == "task.changed"]


@pytest.mark.parametrize("says", ["200,<html>", "200,", "204", "201,{}", "202,thanks"])
async def test_a_webhook_that_was_taken_is_over_whatever_the_receiver_says(
    maker: CallMaker, site: Site, says: str
) -> None:
    outcome = await maker.make(claimed(site, says, "deliver"), FREE)
    assert isinstance(outcome, Ended)
    assert outcome.succeeded
    assert states(outcome) == ["completed"]


@pytest.mark.parametrize("status", [408, 503])
async def test_what_a_rule_of_the_vendor_calls_a_limit_was_not_begun(maker: CallMaker, site: Site, status: int) -> None:
    limit = [{"when": f"status == `{status}`", "is": "rate_limited"}]
    outcome = await maker.make(claimed(site, f"{status},{{}}", "submit", outcomes=limit), FREE)
    assert isinstance(outcome, Later)
    assert (outcome.limited, outcome.may_have_left) == (True, False)


async def _busy(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 429 Busy\r\nretry-after: 7200\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("longest_wait", [timedelta(seconds=1), timedelta(days=1)])
async def test_the_retry_of_a_job_does_not_change_for_how_long_its_vendor_rests(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch, longest_wait: timedelta
) -> None:
    """The vendor rests for all jobs."""
    monkeypatch.setitem(vendors.ACTS, "/busy", _busy)
    call = claimed(site, "", retry={"longest_wait": "10m"})
    changed = {"call": Call(path="/busy"), "retry": Retry(longest_wait=longest_wait)}
    outcome = await maker.make(replace(call, request=call.request.model_copy(update=changed)), FREE)
    assert isinstance(outcome, Later)
    assert timedelta(minutes=5) < outcome.not_before - call.created_at < timedelta(minutes=15)


async def test_a_webhook_that_was_not_taken_is_sent_again(maker: CallMaker, site: Site) -> None:
    assert isinstance(await maker.make(claimed(site, "404,no", "deliver"), FREE), Later)


@pytest.mark.parametrize(("says", "rules"), [("404,no", RULES), (f"500,{PENDING}", EMPTY_RULES)])
async def test_rules_of_the_vendor_do_not_judge_a_receiver_of_webhooks(
    maker: CallMaker, site: Site, says: str, rules: list[Any]
) -> None:
    assert isinstance(await maker.make(claimed(site, says, "deliver", outcomes=rules), FREE), Later)


@pytest.mark.parametrize(("purpose", "state"), [("submit", "dead"), ("status", "waiting")])
async def test_that_nothing_is_there_is_no_answer_to_a_submit_and_no_status(
    maker: CallMaker, site: Site, purpose: str, state: str
) -> None:
    outcome = await maker.make(claimed(site, "404,no", purpose, outcomes=RULES), FREE)
    assert isinstance(outcome, Ended)
    assert (outcome.succeeded, states(outcome)) == (False, [state])


@pytest.mark.parametrize("may_have_left", [True, False])
@pytest.mark.parametrize("vendor", [None, {"auth": {"type": "bearer", "token": "env:ACME_ABSENT"}}])
async def test_a_submit_that_cannot_be_sent_again_is_waited_for_if_an_earlier_attempt_may_have_left(
    maker: CallMaker, site: Site, vendor: dict[str, Any] | None, may_have_left: bool
) -> None:
    call = replace(claimed(site, "200,{}", "submit", **(vendor or {})), may_have_left=may_have_left)
    outcome = await maker.make(call if vendor else replace(call, vendor=None), FREE)
    assert states(outcome) == ["waiting" if may_have_left else "dead"]
    assert site.heads == []


async def test_a_job_of_the_vendor_that_is_not_there_is_aborted(maker: CallMaker, site: Site) -> None:
    outcome = await maker.make(claimed(site, "404,no", "abort", outcomes=RULES), FREE)
    assert isinstance(outcome, Ended)
    assert outcome.succeeded


async def test_what_incoming_webhooks_are_proved_with_signs_nothing_where_signing_secrets_have_their_own_places(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SIGN_KEY", "ACME_HOOK"):
        monkeypatch.setenv(name, "s3cret")
    transport, heads = Transport(), {}
    maker = CallMaker(transport, PayloadStore(tmp_path.as_uri()), signing=SigningSecrets("env:SIGN_"))
    for name in ("ACME_HOOK", "SIGN_KEY"):
        call = claimed(site, "204", "deliver")
        request = call.request.model_copy(update={"sign": f"env:{name}"})
        outcome = await maker.make(replace(call, request=request), FREE)
        assert isinstance(outcome, Ended)
        assert outcome.attempt is not None
        heads[name] = outcome.attempt.reason, [head for head in site.heads if "webhook-signature" in head]
    await transport.close()
    refused = "secret_missing: the secret env:ACME_HOOK is not set, or not allowed for signing"
    assert heads == {"ACME_HOOK": (refused, []), "SIGN_KEY": ("", site.heads)}


@pytest.mark.parametrize("may_have_left", [False, True])
async def test_a_call_waits_while_its_secret_cannot_be_read(
    maker: CallMaker, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_have_left: bool
) -> None:
    """It was no attempt, and did not leave now."""
    monkeypatch.setattr(make, "_PUT_OFF_SECONDS", 0.0)
    secret = tmp_path / "token"
    secret.write_text("s3cret")
    call = claimed(site, "200,{}", "submit", auth={"type": "bearer", "token": f"file:{secret}"})
    call = replace(call, may_have_left=may_have_left)
    with no_descriptors():
        outcome = await maker.make(call, FREE)
    assert isinstance(outcome, Later)
    assert (outcome.next_attempt, outcome.attempt, outcome.messages) == (call.attempt, None, ())
    assert (outcome.may_have_left, site.heads) == (may_have_left, [])
    assert isinstance(await maker.make(call, FREE), Ended)


async def test_a_secret_that_is_no_key_signs_nothing(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGN_KEY", "no base64!")
    call = claimed(site, "204", "deliver")
    request = call.request.model_copy(update={"sign": "env:SIGN_KEY"})
    outcome = await maker.make(replace(call, request=request), FREE)
    assert isinstance(outcome, Ended)
    assert outcome.attempt is not None
    assert outcome.attempt.reason.startswith("secret_missing: the secret env:SIGN_KEY is no key: expected base64")
    assert site.heads == []


@pytest.mark.parametrize("facts", [None, FactsWanted(total="body.total")])
async def test_a_page_is_stored_and_an_empty_answer_is_complete(
    maker: CallMaker, site: Site, facts: FactsWanted | None
) -> None:
    page = await maker.make(claimed(site, f"200,{PENDING}", facts=facts), FREE)
    assert states(page) == ["stored", "enqueued"]
    for says in ("204", "404,nothing here"):
        empty = await maker.make(claimed(site, says, facts=facts, outcomes=RULES), FREE)
        assert isinstance(empty, Ended)
        assert empty.succeeded
        assert states(empty) == ["completed"]


@pytest.mark.parametrize("facts", [None, FactsWanted(total="body.total")])
@pytest.mark.parametrize(("says", "rules"), [(f"202,{PENDING}", RULES), (f"200,{PENDING}", BODY_RULES)])
async def test_an_answer_that_is_no_success_by_rule_is_no_page(
    maker: CallMaker, site: Site, says: str, rules: list[Any], facts: FactsWanted | None
) -> None:
    outcome = await maker.make(claimed(site, says, facts=facts, outcomes=rules), FREE)
    assert isinstance(outcome, Later)
    assert states(outcome) == ["retrying"]


@pytest.mark.parametrize("says", ["200,<html>sorry</html>", "200,"])
async def test_a_page_that_is_no_json_is_asked_for_again_as_often_as_the_policy_has_it(
    maker: CallMaker, site: Site, says: str
) -> None:
    facts = FactsWanted(total="body.total")
    assert states(await maker.make(claimed(site, says, facts=facts), FREE)) == ["retrying"]
    last = await maker.make(claimed(site, says, facts=facts, retry={"attempts": 1}), FREE)
    assert isinstance(last, Ended)
    assert states(last) == ["dead"]
    assert last.attempt is not None
    assert last.attempt.reason.startswith("attempts_exhausted: 1 attempts, the last one: vendor_malformed")


async def test_rules_over_the_body_decide_of_requests_whose_answer_has_no_known_length(
    maker: CallMaker, site: Site, tmp_path: Path
) -> None:
    """What is asked for again is not stored."""
    assert isinstance(await maker.make(claimed(site, f"200,{PENDING}", "answer", outcomes=BODY_RULES), FREE), Later)
    assert list(tmp_path.iterdir()) == [tmp_path / MARK]
    taken = await maker.make(claimed(site, '200,{"state": "done"}', "answer", outcomes=BODY_RULES), FREE)
    assert isinstance(taken, Ended)
    assert taken.succeeded


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ({"type": "bearer", "token": "env:ACME_TEST_KEY"}, "authorization: Bearer s3 cret"),
        ({"type": "basic", "username": "me", "password": "env:ACME_TEST_KEY"}, "authorization: Basic bWU6czMgY3JldA=="),
        ({"type": "header", "name": "X-Api-Key", "value": "env:ACME_TEST_KEY"}, "x-api-key: s3 cret"),
        ({"type": "query", "name": "key", "value": "env:ACME_TEST_KEY"}, "GET /status?says=204&key=s3+cret HTTP/1.1"),
        (None, "user-agent: sluice/0.1"),
    ],
)
async def test_credentials_are_on_the_wire_as_the_vendor_wants_them(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch, auth: dict[str, str] | None, line: str
) -> None:
    monkeypatch.setenv("ACME_TEST_KEY", "s3 cret")
    await maker.make(claimed(site, "204", auth=auth), FREE)
    assert line.lower() in [one.lower() for one in site.heads[0].split("\r\n")]


@pytest.mark.parametrize("wanted", [FactsWanted(next="body.next", link=True), FactsWanted(next="body.next")])
@pytest.mark.parametrize("link", ["{url}/x?key={key}&page=2", "/x?page=2&key={key}", "x?%6bey={key}&page=2#key={key}"])
async def test_a_key_that_the_vendor_repeats_in_its_next_link_is_told_nobody_and_sent_again(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch, link: str, wanted: FactsWanted
) -> None:
    monkeypatch.setenv("ACME_TEST_KEY", CANARY)
    body = orjson.dumps({"items": [1], "next": link.format(url=site.url, key=CANARY)}).decode()
    for asked in (wanted, FactsWanted(detect=True)):
        site.heads.clear()
        call = claimed(site, f"200,{body}", facts=asked, auth=BY_QUERY)
        following = told_next(await maker.make(call, FREE))
        assert following is not None
        assert "page=2" in following
        request = call.request.model_copy(update={"call": Call(url=following), "facts": None})
        await maker.make(replace(call, request=request), FREE)
        assert site.heads[1].split(" ")[1].endswith(f"page=2&key={CANARY}")


@pytest.mark.parametrize("target", ["#", "", "?page=2", "/x?page=2&key={key}"])
@pytest.mark.parametrize("wanted", [FactsWanted(link=True), FactsWanted(detect=True)])
async def test_a_key_is_told_nobody_by_way_of_a_link_header(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch, target: str, wanted: FactsWanted
) -> None:
    monkeypatch.setenv("ACME_TEST_KEY", CANARY)
    link = f'<{target.format(key=CANARY)}>; rel="next"'
    call = claimed(site, "", facts=wanted, auth=BY_QUERY)
    asked = call.request.model_copy(update={"call": Call(path="/linked", query={"link": link})})
    following = told_next(await maker.make(replace(call, request=asked), FREE))
    assert following is not None
    assert following.startswith(site.url)


async def test_a_redirect_that_is_refused_says_what_would_follow_it(maker: CallMaker, site: Site) -> None:
    outcome = await maker.make(claimed(site, "301,moved"), FREE)
    assert isinstance(outcome, Ended)
    assert outcome.attempt is not None
    assert outcome.attempt.reason == "refused_301: the vendor answered 301; network.redirects would have to be follow"


@pytest.mark.parametrize("wanted", [None, FactsWanted(total="body.total")])
async def test_an_empty_answer_says_nothing_of_other_pages_to_whoever_did_not_ask(
    maker: CallMaker, site: Site, wanted: FactsWanted | None
) -> None:
    outcome = await maker.make(claimed(site, "204", facts=wanted), FREE)
    [event] = [orjson.loads(message.value) for message in outcome.messages if message.value]
    assert ("facts" in event) == (wanted is not None)


async def _large(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    body = b'{"items": ["%s"]}' % (b"x" * 2 * 1024**2)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def large(call: Claimed) -> Claimed:
    """Another call, whose answer is large."""
    return replace(call, request=call.request.model_copy(update={"call": Call(path="/large")}))


async def test_an_answer_that_cannot_be_kept_is_held_where_the_call_must_not_be_made_again(
    maker: CallMaker, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "_PUT_OFF_SECONDS", 0.0)
    monkeypatch.setitem(vendors.ACTS, "/large", _large)
    away = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-away"))
    tmp_path.touch()
    call = large(claimed(site, "", "answer"))
    assert isinstance(await maker.make(call, FREE), Later)
    made = len(site.heads)
    making = asyncio.create_task(maker.make(replace(call, repeatable=False), FREE))
    await eventually(lambda: len(site.heads) == made + 1, 20)
    assert maker.cannot_store
    tmp_path.unlink()
    away.rename(tmp_path)
    outcome = await making
    assert isinstance(outcome, Ended)
    assert states(outcome) == ["completed"]
    assert len(site.heads) == made + 1


@pytest.mark.parametrize("purpose", ["answer", "page"])
async def test_a_small_answer_that_cannot_be_kept_is_held_although_it_does_not_tell_its_size(
    maker: CallMaker, site: Site, tmp_path: Path, purpose: str
) -> None:
    away = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-away"))
    tmp_path.touch()
    making = asyncio.create_task(maker.make(claimed(site, "200,{}", purpose), FREE))
    await eventually(lambda: maker.cannot_store, 20)
    tmp_path.unlink()
    away.rename(tmp_path)
    assert isinstance(await making, Ended)
    assert len(site.heads) == 1


async def test_a_page_was_fetched_when_its_answer_came_however_long_it_waits_for_the_payload_store(
    maker: CallMaker, site: Site, tmp_path: Path
) -> None:
    away = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-away"))
    tmp_path.touch()
    making = asyncio.create_task(maker.make(claimed(site, '200,{"items": []}', facts=FactsWanted()), FREE))
    await eventually(lambda: maker.cannot_store, 20)
    held_at = utc_now()
    tmp_path.unlink()
    away.rename(tmp_path)
    told = [orjson.loads(message.value) for message in (await making).messages if message.value]
    [fetched_at] = [datetime.fromisoformat(event["fetched_at"]) for event in told if event["type"] == "payload.stored"]
    assert fetched_at <= held_at


async def test_a_page_of_very_many_values_is_refused_once_for_all(maker: CallMaker, site: Site, tmp_path: Path) -> None:
    call = claimed(site, "", facts=FactsWanted(total="body.total"))
    asked = call.request.model_copy(update={"call": Call(path="/crowd")})
    outcome = await maker.make(replace(call, request=asked), FREE)
    assert isinstance(outcome, Ended)
    assert outcome.attempt is not None
    assert outcome.attempt.reason == "too_large: the body has more than 1500000 values"
    assert (len(site.heads), list(tmp_path.iterdir())) == (1, [tmp_path / MARK])


async def test_a_status_beyond_those_of_http_is_tried_again_and_handed_back_in_the_end(
    maker: CallMaker, site: Site
) -> None:
    assert isinstance(await maker.make(claimed(site, "999,{}", "answer"), FREE), Later)
    last = await maker.make(claimed(site, "999,{}", "answer", retry={"attempts": 1}), FREE)
    [told] = [orjson.loads(message.value) for message in last.messages if message.value]
    assert (told["state"], told["answer"]["status"], told["attempt"]["status"]) == ("failed", 999, 999)


async def test_a_large_body_is_read_once_and_beside_the_event_loop(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, threads = bodies._read_quickly, list[threading.Thread]()

    def noting(body: bytes) -> Any:
        threads.append(threading.current_thread())
        return read(body)

    monkeypatch.setattr(bodies, "_read_quickly", noting)
    monkeypatch.setitem(vendors.ACTS, "/large", _large)
    call = large(claimed(site, "", facts=FactsWanted(total="body.total"), outcomes=[*BODY_RULES, *BODY_RULES]))
    outcome = await maker.make(call, FREE)
    assert states(outcome) == ["stored", "enqueued"]
    [thread] = threads
    assert thread is not threading.current_thread()
