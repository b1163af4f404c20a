"""What the documentation says is what the code does."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from infra import reference_page, settings_page
from services.planner.paging.counted import MOST_GROWTH, MOST_TASKS_AT_ONCE
from services.planner.track.decide import MOST_BARREN
from services.provision import ProvisionSettings
from shared.client.documents import load
from shared.events.catalogue import DEAD, RETRIES, SERVICES, records_topic, topics
from shared.events.topic import Topic
from shared.runtime.service import open_runtime
from shared.specification.vendor import Vendor

PROJECT = Path(__file__).resolve().parents[2]
EVIDENCE = PROJECT / "docs" / "evidence"
ANY_PORT = {"callback-gateway": {"gateway_port": 0}}
BEHAVIOURS = (47, 38, 21, 21, 25)
"""How many each of the replaced designs has: the poller, vendor jobs, requests, webhooks, schedules."""
LETTERS, ENDS = "Dead letters", "Why a job failed"
LETTERS_PAGE = PROJECT / "docs" / "operations" / "dead-letters.md"
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])


def test_the_page_of_topics_is_the_catalogue() -> None:
    text = (PROJECT / "docs" / "topics.md").read_text("utf-8")
    for topic in topics():
        marks = " (public)" * topic.public + ", compacted" * (topic.cleanup == "compact")
        way = f"{', '.join(topic.producers)} → {', '.join(topic.consumers)}"
        assert f"| `{topic.name}`{marks} | {topic.key} | {way} | {topic.carries} |" in text


def test_what_anyone_sends_is_shown_for_each_topic_that_takes_it() -> None:
    text = (PROJECT / "docs" / "topics.md").read_text("utf-8").split("## What you send")[1]
    shown = {
        name: lines.splitlines()
        for name, lines in re.findall(r"`sluice\.([\w.]+)`.*?```json\n(.*?)```", text, re.DOTALL)
    }
    assert shown.keys() == {topic.name for topic in topics() if "anyone" in topic.producers}
    for topic in topics():
        for line in shown.get(topic.name, ()):
            topic.adapter.validate_json(line)


def test_each_arrow_of_the_diagram_is_in_the_catalogue() -> None:
    text = re.sub(r"\bgateway\b", "callback-gateway", (PROJECT / "README.md").read_text("utf-8"))
    everything = {topic.name: topic for topic in topics()}
    arrows = re.findall(r'^  ([\w-]+) -- "(.+)" --> ([\w-]+)$', text, re.MULTILINE)
    assert len(arrows) > 5
    for source, label, target in arrows:
        for topic in (everything[name] for name in re.findall(r"\w+\.\w+", label)):
            assert {source, "anyone"} & set(topic.producers), topic.name
            assert target in topic.consumers, topic.name


def test_whoever_is_said_to_read_a_topic_does() -> None:
    read: dict[str, set[str]] = {}
    for service in SERVICES:
        package = f"services.{service.replace('-', '_')}"
        settings = import_module(f"{package}.settings").Settings(payload_store="memory://", **ANY_PORT.get(service, {}))
        for consumer in import_module(f"{package}.app").build(open_runtime(service, settings)).consumers:
            read.setdefault(consumer.topic.name, set()).add(service)
    for topic in topics():
        assert read[topic.name] == set(topic.consumers) - {"anyone"}, topic.name


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_says_what_it_reads_and_writes(service: str) -> None:
    """The lists at the head of its package are those of the catalogue. What every service writes to its own retry and
    dead-letter topics need not be there, nor what it sends where anyone may."""
    everything = {topic.name: topic for topic in topics()} | {"records.<source>": records_topic("<source>")}
    own = {RETRIES[service].name, DEAD[service].name}
    reads, writes = (said(service, about) for about in ("reads", "writes"))
    assert names_in(reads, everything) == {name for name, topic in everything.items() if service in topic.consumers}
    written = {name for name, topic in everything.items() if service in topic.producers}
    named = names_in(writes, everything)
    assert "any topic" in writes or written - own <= named
    assert named <= written | {name for name, topic in everything.items() if "anyone" in topic.producers}


def said(service: str, about: str) -> str:
    """What the head of a service's package says after `- reads:` or `- writes:`."""
    text = import_module(f"services.{service.replace('-', '_')}").__doc__ or ""
    [found] = re.findall(rf"^- {about}: (.*(?:\n  .*)*)", text, re.MULTILINE)
    return str(found)


def names_in(text: str, known: Mapping[str, Topic[Any]]) -> set[str]:
    """The topics that a text names: one by one, or those of every service at once."""
    text = " ".join(text.split())
    named = {name for name in re.findall(r"`([\w.<>-]+)`", text) if "." in name or name in known}
    assert named <= set(known), named - set(known)
    retries = RETRIES.values() if "`retry` topic of every service" in text else ()
    dead = DEAD.values() if "every service's dead letters" in text else ()
    return named | {topic.name for topic in (*retries, *dead)}


def test_the_page_of_settings_is_what_the_models_say() -> None:
    assert settings_page.PAGE.read_text("utf-8") == settings_page.page(), "make docs writes it"


def test_each_setting_has_a_description() -> None:
    kinds = [import_module(f"services.{name.replace('-', '_')}.settings").Settings for name in SERVICES]
    for kind in (*kinds, ProvisionSettings):
        assert [name for name, field in kind.model_fields.items() if not field.description] == []


def test_the_reference_is_what_the_models_say() -> None:
    assert reference_page.PAGE.read_text("utf-8") == reference_page.page(), "make docs writes it"


def test_each_field_of_the_language_has_a_description() -> None:
    found = reference_page.sections()
    assert len({section.link for section in found}) == len(found) > 40
    for section in found:
        fields = reference_page.fields_of(section.model)
        assert [name for name, field in fields.items() if not field.description] == [], section.title
        assert section.model.__doc__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_headings(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#([\w-]+)\)", page.read_text("utf-8")):
        text = (page.parent / target if target else page).read_text("utf-8")
        found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        headings = [re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in found]
        assert heading in headings, f"{target}#{heading}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_examples_are_good_specifications(page: Path) -> None:
    text = page.read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) + re.findall(r"<<'YAML'\n(.*?)\nYAML", text, re.DOTALL)
    for example in examples:
        if {"vendor", "source", "hook", "schedule"} & set(next(yaml.safe_load_all(example))):
            load([(page.name, example)])


def test_what_is_called_a_default_is_one() -> None:
    """A field of a vendor that the page writes out in full, with all of its defaults."""
    text = (PROJECT / "docs" / "specification.md").read_text("utf-8")
    told = re.findall(r"^(\w+): (\{.*\}) +# the defaults?$", text, re.MULTILINE)
    assert [name for name, _ in told] == ["retry", "limits"]
    vendor = {"vendor": "acme", "base_url": "https://api.acme.example"}
    for name, written in told:
        default = getattr(Vendor.model_validate(vendor), name)
        assert getattr(Vendor.model_validate({**vendor, name: yaml.safe_load(written)}), name) == default
        assert set(yaml.safe_load(written)) == set(type(default).model_fields)


def test_each_mistake_of_the_replaced_designs_has_a_test() -> None:
    text = (EVIDENCE / "replaced-designs.md").read_text("utf-8")
    mistakes = dict(re.findall(r"^\| D(\d+) \|(.*)$", text, re.MULTILINE))
    assert sorted(map(int, mistakes)) == list(range(1, 24))
    for row in mistakes.values():
        check_tests_of(row)


def test_each_behaviour_of_the_replaced_designs_has_a_test() -> None:
    pages = sorted((EVIDENCE / "designs").glob("*.md"))
    rows = [
        row for page in pages for row in re.findall(r"^\| S(\d)\.(\d+) \|(.*)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    numbers = sorted((int(design), int(number)) for design, number, _ in rows)
    assert numbers == [(design, number) for design, count in enumerate(BEHAVIOURS) for number in range(1, count + 1)]
    for *_, row in rows:
        check_tests_of(row)


def test_each_fault_has_a_test() -> None:
    text = (EVIDENCE / "faults.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!fault |-)(.*)$", text, re.MULTILINE | re.IGNORECASE)
    assert len(rows) > 20
    for row in rows:
        check_tests_of(row)


def test_each_bad_input_has_a_test() -> None:
    text = (EVIDENCE / "bad-inputs.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!What comes |-)(.*)$", text, re.MULTILINE)
    assert len(rows) > 50
    for row in rows:
        check_tests_of(row)


def test_each_rule_of_our_libraries_has_its_code_and_a_test() -> None:
    text = (EVIDENCE / "library-rules.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!habit |-)(.*)$", text, re.MULTILINE)
    assert len(rows) > 50
    for row in rows:
        check_tests_of(row)
        *_, code, _, _ = row.split("|")
        for path in re.findall(r"`([\w/.]+)`", code):
            assert (PROJECT / path).exists(), path


def test_each_reason_of_a_bad_record_is_one_that_operators_know() -> None:
    """What the page of bad inputs calls them is in the table of what to do about them."""
    page = (EVIDENCE / "bad-inputs.md").read_text("utf-8")
    known = LETTERS_PAGE.read_text("utf-8")
    on_topics = page.partition("## On topics")[2].partition("## From vendors")[0]
    for told in re.findall(r"^\|[^|]*\|([^|]*)\|", on_topics, re.MULTILINE):
        for reason in re.findall(r"`((?!sluice_)[a-z]+_[a-z_]+|empty|undecodable|bug)`", told):
            assert f"`{reason}`" in known, reason


def test_each_dead_letter_of_the_page_of_failures_is_explained() -> None:
    page, known = (one.read_text("utf-8") for one in (PROJECT / "docs" / "failures.md", LETTERS_PAGE))
    named = re.findall(r"dead letters? `(\w+)`", page)
    assert len(named) > 5
    assert [reason for reason in named if f"`{reason}`" not in known] == []


def test_each_reason_of_the_planner_is_explained_with_its_limit() -> None:
    """Its reasons begin with a word that has an underscore, and a colon."""
    page = LETTERS_PAGE.read_text("utf-8")
    letters, section = (page.partition(f"## {name}\n")[2].partition("\n## ")[0] for name in (LETTERS, ENDS))
    told = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", letters + section, re.MULTILINE))))
    sources = [path.read_text("utf-8") for path in (PROJECT / "services" / "planner").rglob("*.py")]
    reasons = {reason for source in sources for reason in re.findall(r'"([a-z]+(?:_[a-z]+)+): ', source)}
    assert {"no_new_records", "page_limit", "vendor_job_missing"} <= reasons <= told
    for limit in (f"{MOST_BARREN} pages", f"{MOST_GROWTH} times", f"{MOST_TASKS_AT_ONCE:,} would"):
        assert limit in section, limit


def check_tests_of(row: str) -> None:
    tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
    assert tests, row
    for path, name in tests:
        assert f"def {name}(" in (PROJECT / "tests" / path).read_text("utf-8"), name


def metrics() -> set[str]:
    """The names of all instruments."""
    for service in SERVICES:
        import_module(f"services.{service.replace('-', '_')}.metrics")
    families = [family for family in REGISTRY.collect() if family.name.startswith("sluice_")]
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


@pytest.mark.parametrize("page", ["operations/monitor.md", "failures.md"])
def test_pages_name_metrics_that_are_there(page: str) -> None:
    named = re.findall(r"`(sluice_\w+)", (PROJECT / "docs" / page).read_text("utf-8"))
    assert len(named) > 10
    assert set(named) <= metrics()


def test_each_metric_is_charted_or_explained() -> None:
    dashboards = (PROJECT / "infra" / "grafana" / "dashboards").glob("*.json")
    pages = [PROJECT / "docs" / "operations" / "monitor.md", *dashboards]
    shown = set(re.findall(r"sluice_[a-z_]+", " ".join(page.read_text("utf-8") for page in pages)))
    assert {name for name in metrics() if not any(one.startswith(name) for one in shown)} == set()
