"""Files are checked whole, with the place of every mistake, before anything is sent."""

import json
from pathlib import Path

import pytest

from shared.client.documents import load, load_configuration, load_job, load_schedule, make_job, read
from shared.errors import Invalid

VENDOR = "vendor: acme\nbase_url: https://acme.example\n"
SOURCE = "source: acme-items\nvendor: acme\npoll: {request: {path: /items}}\n"
SUBMIT = {"submit": {"method": "POST", "path": "/r", "json": "{callback.url}"}, "deadline": "1h"}
HOOK = "hook: acme-changed\nverify: {scheme: github, secrets: [env:ACME_HOOK]}\nstart: {source: acme-items}\n"


def mistakes(*texts: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        load([(f"{number}.yaml", text) for number, text in enumerate(texts, 1)])
    return [f"{problem.pointer} {problem.detail}" for problem in caught.value.problems]


def test_what_is_named_comes_before_what_names_it() -> None:
    found = load_configuration([("one.yaml", f"{HOOK}---\n{SOURCE}---\n{VENDOR}")])
    assert [(one.kind, one.name, one.place) for one in found] == [
        ("vendors", "acme", "one.yaml:3"),
        ("sources", "acme-items", "one.yaml:2"),
        ("hooks", "acme-changed", "one.yaml:1"),
    ]


def test_mistakes_of_hooks_have_their_places() -> None:
    verify, start = "{scheme: hmac, secrets: [env:A, plain]}", "{source: x, parameters: {id: 'body['}}"
    found = mistakes(f"hook: acme-changed\nverify: {verify}\nstart: {start}\n")
    assert [one.split(" ", 1)[0] for one in found] == [
        "1.yaml:1:/verify/secrets/1",
        "1.yaml:1:/verify/header",
        "1.yaml:1:/start/parameters/id",
    ]


def test_all_mistakes_of_all_files_are_told_with_file_document_and_pointer() -> None:
    found = mistakes(
        f"{VENDOR}bugdet: {{}}\n---\n{SOURCE.replace('path', 'pth')}", "vendor: b\n", "{", "- 1\n", VENDOR + "a: [\n"
    )
    assert found[0].startswith("3.yaml neither YAML nor JSON: line 1: ")
    assert found[1].startswith("5.yaml neither YAML nor JSON: line 4: ")
    assert found[2:] == [
        "1.yaml:1:/bugdet unknown field; did you mean budget?",
        "1.yaml:2:/poll/request/pth unknown field; did you mean path?",
        "2.yaml:1:/base_url is missing and has no default",
        "4.yaml:1:/ expected one of: url; source; vendor with poll, invoke or request; deliver",
    ]


def body_of(text: str) -> object:
    """What a job sends that has this YAML as its body."""
    return load_job(("job.yaml", f"vendor: acme\nrequest: {{path: /, json: {text}}}\n"))["request"]["json"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, text) for text in ("01234", "-01", "20:30", "1_000", "+49301", "on", "no", "2026-01-01", "=", "0b1")),
        *((text, text) for text in (".inf", ".nan", "1.2.3", "08", "00", "0o8", "0xg", "1e", "01.5")),
        *(("12", 12), ("0", 0), ("-7", -7), ("0o17", 15), ("0x1F", 31), ("9" * 30, int("9" * 30))),
        *(("1.5", 1.5), ("-0.5", -0.5), ("1e3", 1000.0), ("2.", 2.0), (".5", 0.5), ("1.5E-2", 0.015)),
        *(("true", True), ("FALSE", False), ("~", None), ("null", None), ("'12'", "12"), ("!!str 12", "12")),
    ],
)
def test_plain_words_are_what_they_seem_to_be(text: str, value: object) -> None:
    found = body_of(text)
    assert found == value and type(found) is type(value)


def test_a_key_that_stands_twice_is_refused_with_its_line() -> None:
    budget = "budget: {in_flight: 4}\n"
    twice = "the key budget stands twice in one object, first in line 3"
    assert mistakes(f"{VENDOR}{budget}retry: {{}}\n{budget}") == [f"1.yaml neither YAML nor JSON: line 5: {twice}"]


def test_a_key_that_stands_twice_in_json_is_refused() -> None:
    text = '{"vendor": "acme", "base_url": "https://a.example", "limits": {"body": 1, "body": 2}}'
    assert mistakes(text) == ["1.yaml neither YAML nor JSON: the key body stands twice in one object"]


def test_a_merged_key_may_be_replaced() -> None:
    assert body_of("[&a {x: 1, y: 2}, {<<: *a, x: 3}]") == [{"x": 1, "y": 2}, {"x": 3, "y": 2}]


@pytest.mark.parametrize(
    "text", ["&a [*a]", '"\\ud800"', '{"\\ud800": 1}', "!!binary aGk=", "!!set {a}", "1e400", "9" * 5000, "!!int x"]
)
def test_what_json_does_not_have_is_refused(text: str) -> None:
    [found] = mistakes(f"vendor: acme\nrequest: {{path: /, json: {text}}}\n")
    assert found.startswith("1.yaml neither YAML nor JSON: ")


def test_placeholders_that_nothing_fills_are_told_of_jobs_as_the_gateway_tells_them() -> None:
    job = "vendor: acme\nrequest: {path: '/x/{parameters.id}'}\n"
    detail = "unknown placeholder {parameters.id}; known here: none; a brace itself is written {{ or }}"
    assert mistakes(job) == [f"1.yaml:1:/request/path {detail}"]


def test_what_is_wrong_by_what_the_vendor_says_is_told_where_the_vendor_is_in_the_files_too() -> None:
    submit, fetch = "{path: /r, json: '{callback.url}'}", "{path: '/r/{vendor_job}'}"
    source = f"source: reports\nvendor: acme\ninvoke: {{submit: {submit}, deadline: 1h, abort: {fetch}}}\n"
    load([("one.yaml", source)])
    [told] = mistakes(source, VENDOR)
    assert told.startswith("1.yaml:1:/invoke/abort/path nobody would find {vendor_job}: ")
    load([("one.yaml", source), ("two.yaml", f"{VENDOR}callbacks: {{vendor_job: body.id}}\n")])


def test_plain_words_are_text_unless_they_are_true_or_false() -> None:
    text = "source: x\nparameters: {a: no, b: on, c: 2026-01-02, d: true, e: 5, off: off}\n"
    assert load_job(("job.yaml", text))["parameters"] == {
        "a": "no",
        "b": "on",
        "c": "2026-01-02",
        "d": True,
        "e": 5,
        "off": "off",
    }


def test_json_may_be_indented_by_tabs() -> None:
    assert load_job(("job.json", '{\n\t"source": "x"\n}\n')) == {"source": "x"}


def test_a_job_is_no_configuration_and_configuration_is_no_job() -> None:
    with pytest.raises(Invalid, match="sluice submit"):
        load_configuration([("x.yaml", f"{VENDOR}---\nurl: https://host.example/items\n")])
    with pytest.raises(Invalid, match="sluice apply"):
        load_job(("x.yaml", VENDOR))


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\xff")
    with pytest.raises(Invalid) as caught:
        read([str(tmp_path / "missing"), str(tmp_path / "bad")])
    assert [one.detail for one in caught.value.problems] == [
        "cannot be read: No such file or directory",
        "cannot be read: it is not UTF-8",
    ]


@pytest.mark.parametrize(
    ("options", "job"),
    [
        ({"url": "https://h.example/a"}, {"url": "https://h.example/a"}),
        ({"url": "https://h.example/a", "pages": "link"}, {"url": "https://h.example/a", "pages": {"style": "link"}}),
        ({"source": "s"}, {"source": "s"}),
        (
            {"vendor": "v", "path": "/a?b=c&d=", "pages": "offset"},
            {
                "vendor": "v",
                "poll": {"request": {"path": "/a", "query": {"b": "c", "d": ""}}, "pages": {"style": "offset"}},
            },
        ),
    ],
)
def test_a_job_can_be_written_as_options(options: dict[str, str], job: dict[str, object]) -> None:
    given = {"url": None, "source": None, "vendor": None, "path": "/", "pages": None, **options}
    assert make_job(**given) == job  # type: ignore[arg-type]


def test_schedules_come_last_and_are_checked_to_their_targets() -> None:
    schedule = "schedule: nightly\ncron: 0 3 * * *\nstart: {source: acme-items}\n"
    found = load_configuration([("all.yaml", f"{schedule}---\n{SOURCE}---\n{VENDOR}")])
    assert [(one.kind, one.name) for one in found] == [
        ("vendors", "acme"),
        ("sources", "acme-items"),
        ("schedules", "nightly"),
    ]
    assert load_schedule(("s.yaml", schedule))["cron"] == "0 3 * * *"
    assert mistakes("triggerAt: 2020-01-01T00:00:00Z\nzone: Mars/X\nstart: {source: x}\n") == [
        "1.yaml:1:/zone expected the name of a time zone, such as Europe/Berlin"
    ]
    assert mistakes("triggerAt: 2020-01-01T00:00:00Z\nstart: {sorce: x}\n") == [
        "1.yaml:1:/triggerAt expected a time in the future; past: run would run it at once",
        "1.yaml:1:/start expected one of: url; source; vendor with poll, invoke or request; deliver",
    ]


@pytest.mark.parametrize("name", ["", "schedule: null\n"])
def test_a_schedule_that_is_applied_has_a_name(name: str) -> None:
    """Applied again without one, it would run beside itself."""
    unnamed = ("s.yaml", f"{name}every: 15m\nstart: {{source: acme-items}}\n")
    with pytest.raises(Invalid, match="needs a name"):
        load_configuration([unnamed])
    assert load_schedule(unnamed)["every"] == "15m"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("vendors", {"vendor": "acme", "base_url": "https://a.example"}),
        ("sources", {"source": "orders", "vendor": "acme", "poll": {}}),
        ("sources", {"source": "r", "vendor": "acme", "invoke": {**SUBMIT, "status": {"request": {"path": "/s"}}}}),
        ("job", {"source": "orders"}),
        ("job", {"vendor": "acme", "poll": {}}),
        ("job", {"vendor": "acme", "invoke": SUBMIT, "input": [{"month": "2026-01"}]}),
        ("job", {"vendor": "acme", "request": {"path": "/quote"}}),
        ("job", {"vendor": "acme", "deliver": "https://a.example/hook", "event": {}}),
        ("job", {"url": "https://a.example/items"}),
    ],
)
def test_a_document_is_what_it_means_to_be(kind: str, content: dict[str, object]) -> None:
    [found] = load([("one.json", json.dumps(content))])
    assert found.kind == kind
