"""What becomes of a simulated vendor's reports, and which callbacks tell of it."""

from collections import Counter
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from infra.simulator.config import VendorConfig
from infra.simulator.reports.book import Book, KeyReused
from infra.simulator.reports.config import ReportsConfig, Signing
from infra.simulator.reports.plan import Callback, Course, address, chart, plan_callbacks, seal

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def charted(config: ReportsConfig, number: int, *, seed: int = 7) -> Course:
    return chart(config, seed=seed, vendor="acme", digest=f"{number:016x}", repetition=0)


def told(config: ReportsConfig, manner: str) -> list[tuple[str, str, float]]:
    """Kind, status and time of each callback of a report of two seconds' work that succeeds."""
    planned = plan_callbacks(config, Course("r-1", manner, 2.0, "succeeded"))
    return [(each.kind, orjson.loads(each.body)["status"], each.after_seconds) for each in planned]


def test_the_same_seed_gives_the_same_reports_and_another_gives_others() -> None:
    config = ReportsConfig(failed_share=0.5, early_share=0.2, late_share=0.2)
    courses = [charted(config, number) for number in range(200)]
    assert courses == [charted(config, number) for number in range(200)]
    assert courses != [charted(config, number, seed=8) for number in range(200)]
    assert len({course.report_id for course in courses}) == 200


def test_shares_are_kept() -> None:
    config = ReportsConfig(early_share=0.05, twice_share=0.05, never_share=0.3, failed_share=0.1)
    courses = [charted(config, number) for number in range(10_000)]
    manners = Counter(course.manner for course in courses)
    assert 400 < manners["early"] < 600
    assert 400 < manners["twice"] < 600
    assert 2_800 < manners["never"] < 3_200
    assert 900 < sum(course.ending == "failed" for course in courses) < 1_100
    assert all(course.work_seconds == 0 for course in courses if course.manner == "early")


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="add up"):
        ReportsConfig(early_share=0.6, late_share=0.6)


def test_each_manner_has_its_callbacks() -> None:
    config = ReportsConfig(progress=1, late_seconds=5.0)
    progress = ("progress", "running", 1.0)
    assert told(config, "on_time") == [progress, ("on_time", "succeeded", 2.0)]
    assert told(config, "early") == [("early", "succeeded", 2.0)]
    assert told(config, "twice") == [progress, ("twice", "succeeded", 2.0), ("twice", "succeeded", 2.0)]
    assert told(config, "late") == [progress, ("late", "succeeded", 7.0)]
    assert told(config, "out_of_order") == [("out_of_order", "succeeded", 2.0), ("progress", "running", 2.05)]
    assert told(config, "forged") == [progress, ("forged", "failed", 1.0), ("on_time", "succeeded", 2.0)]
    assert told(config, "never") == []


def test_the_two_copies_of_a_callback_have_one_id() -> None:
    first, second = plan_callbacks(ReportsConfig(), Course("r-1", "twice", 1.0, "failed"))
    assert first == second
    assert orjson.loads(first.body) == {"id": "r-1-0", "status": "failed", "data": {"job_id": "r-1"}}


def test_a_forger_has_neither_the_secret_nor_the_token() -> None:
    honest, forged = Callback("e", 0, "on_time", b"{}"), Callback("e", 0, "forged", b"{}", forged=True)
    url = "https://sluice.example/callbacks/acme/tok1?x=1"
    assert address(url, honest, None) == url
    assert address(url, forged, None) == "https://sluice.example/callbacks/acme/1kot?x=1"
    assert address("https://sluice.example/aa", forged, None) == "https://sluice.example/aax"
    for sign in (
        Signing(scheme="standard-webhooks", secret=SECRET),
        Signing(scheme="hmac", secret="s", prefix="sha256="),
        Signing(scheme="token", secret="s", header="Authorization", prefix="Bearer "),
    ):
        assert address(url, forged, sign) == url
        assert seal(honest, sign, wall=1e9) != seal(forged, sign, wall=1e9)


def test_a_plain_signature_is_the_hmac_of_the_body() -> None:
    sign = Signing(scheme="hmac", secret="key", prefix="sha256=")
    body = b"The quick brown fox jumps over the lazy dog"
    expected = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert seal(Callback("e", 0, "on_time", body), sign, wall=0)["X-Signature"] == expected


def test_a_standard_webhooks_secret_must_be_one() -> None:
    with pytest.raises(ValidationError, match="base64"):
        Signing(scheme="standard-webhooks", secret="whsec_!")


def submit(book: Book, body: dict[str, Any], key: str | None = None, *, honoured: bool = True) -> tuple[str, bool]:
    report, new = book.submit(ReportsConfig(idempotency_keys=honoured), body, key, seed=7, now=0.0)
    return report.course.report_id, new


def test_a_known_key_gets_the_same_report_where_keys_are_honoured() -> None:
    book = Book("acme")
    first, _ = submit(book, {"month": 1, "callback_url": "http://a/1"}, "k")
    assert submit(book, {"month": 1, "callback_url": "http://a/2"}, "k") == (first, False)
    with pytest.raises(KeyReused):
        submit(book, {"month": 2}, "k")
    assert submit(book, {"month": 1}, "k", honoured=False)[1]
    counts: Any = book.truth.report()
    assert (counts["submits"], counts["made"]) == (3, 2)
    assert counts["keys"]["most_repeated"] == [{"key": "k", "times": 3}]
    assert counts["inputs"]["most_repeated"] == [{"input": '{"month":1}', "times": 3}]


def test_the_oldest_reports_are_forgotten_and_their_keys_make_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.simulator.reports.book.REPORTS_MAX", 3)
    book = Book("acme")
    made = [submit(book, {"month": month}, f"k{month}")[0] for month in range(6)]
    again = [submit(book, {"month": month}, f"k{month}") for month in (5, 0, 0)]
    assert [is_new for _, is_new in again] == [False, True, False]
    assert (again[0][0], again[1][0]) == (made[5], again[2][0])
    assert len({*made, again[1][0]}) == 7
    assert [book.find(report_id) is None for report_id in made] == [True, True, True, True, False, False]
    assert {len(kept) for kept in (book._reports, book._by_key, book._made_of)} == {3}


def test_a_report_goes_its_course_unless_it_is_aborted() -> None:
    book, config = Book("acme"), ReportsConfig(work_seconds=(10.0, 10.0))
    report, _ = book.submit(config, {"month": 1}, None, seed=7, now=100.0)
    assert [report.status(now) for now in (100.0, 105.0, 110.0)] == ["queued", "running", "succeeded"]
    assert not book.abort(report, 110.0)
    assert book.abort(report, 105.0) and book.abort(report, 106.0)
    assert (report.status(200.0), book.truth.aborted) == ("aborted", 1)


def test_rows_follow_from_the_input_alone() -> None:
    reports = [
        Book("acme").submit(ReportsConfig(rows=25), body, None, seed=seed, now=0.0)[0]
        for seed, body in ((1, {"month": 1, "callback_url": "http://a/"}), (2, {"month": 1}), (1, {"month": 2}))
    ]
    pages = [[row for start in (0, 10, 20) for row in report.page(start, 10)] for report in reports]
    assert pages[0] == pages[1]
    assert len({row["id"] for page in (pages[0], pages[2]) for row in page}) == 50
    assert all(row["month"] == 1 for row in pages[0])


def test_reports_are_part_of_a_vendor_s_settings() -> None:
    settings = VendorConfig.model_validate_json('{"reports": {"rows": 3, "sign": {"scheme": "hmac", "secret": "s"}}}')
    assert settings.reports.sign == Signing(scheme="hmac", secret="s")
