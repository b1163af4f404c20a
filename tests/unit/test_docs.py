"""What the documentation says is what the code does."""

import re
from pathlib import Path

import pytest
import yaml

from shared.client.documents import load
from shared.events.catalogue import topics

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])


def test_the_page_of_topics_names_every_topic() -> None:
    text = (PROJECT / "docs" / "topics.md").read_text("utf-8")
    for topic in topics():
        assert f"`{topic.name}`" in text
        assert topic.carries in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_examples_are_good_specifications(page: Path) -> None:
    text = page.read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) + re.findall(r"<<'YAML'\n(.*?)\nYAML", text, re.DOTALL)
    for example in examples:
        if {"vendor", "source", "hook", "schedule"} & set(next(yaml.safe_load_all(example))):
            load([(page.name, example)])


def test_each_mistake_of_the_replaced_designs_has_a_test() -> None:
    text = (PROJECT / "docs" / "replaced-designs.md").read_text("utf-8")
    mistakes = dict(re.findall(r"^\| D(\d+) \|(.*)$", text, re.MULTILINE))
    assert sorted(map(int, mistakes)) == list(range(1, 24))
    for row in mistakes.values():
        check_tests_of(row)


def test_each_bad_input_has_a_test() -> None:
    text = (PROJECT / "docs" / "bad-inputs.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!What comes |-)(.*)$", text, re.MULTILINE)
    assert len(rows) > 50
    for row in rows:
        check_tests_of(row)


def test_each_reason_of_a_bad_record_is_one_that_operators_know() -> None:
    """What the page of bad inputs calls them is in the table of what to do about them."""
    page, known = ((PROJECT / "docs" / name).read_text("utf-8") for name in ("bad-inputs.md", "operations.md"))
    on_topics = page.partition("## On topics")[2].partition("## From vendors")[0]
    for told in re.findall(r"^\|[^|]*\|([^|]*)\|", on_topics, re.MULTILINE):
        for reason in re.findall(r"`((?!sluice_)[a-z]+_[a-z_]+|empty|undecodable|bug)`", told):
            assert f"`{reason}`" in known, reason


def check_tests_of(row: str) -> None:
    tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
    assert tests, row
    for path, name in tests:
        assert f"def {name}(" in (PROJECT / "tests" / path).read_text("utf-8"), name
