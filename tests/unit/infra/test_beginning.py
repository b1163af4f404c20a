"""When services that run are to be started again."""

import os

from infra.local.beginning import Beginning, beginning, difference

THEN = Beginning(code="1", variables={"ACME_TOKEN": "a", "SLUICE_LOG_LEVEL": "b"})


def test_services_that_began_the_same_way_stay() -> None:
    environment = {"ACME_TOKEN": "secret", "PATH": "/bin"}
    assert difference(beginning(environment), beginning(environment)) == ""


def test_a_variable_that_is_new_or_another_is_a_reason() -> None:
    now = Beginning(code="1", variables={"ACME_TOKEN": "c", "ACME_HOOK": "d", "SLUICE_LOG_LEVEL": "b"})
    assert difference(THEN, now) == "ACME_HOOK is new, ACME_TOKEN has another value"


def test_what_is_not_set_any_more_is_told_but_is_no_reason() -> None:
    assert difference(THEN, Beginning(code="1", variables={"SLUICE_LOG_LEVEL": "b"})) == ""
    told = difference(THEN, Beginning(code="2", variables={"SLUICE_LOG_LEVEL": "b"}))
    assert told == "the code has changed, ACME_TOKEN is not set any more"


def test_services_of_which_nothing_is_known_are_started_again() -> None:
    assert difference(None, THEN) == "they were started by an older release"


def test_another_terminal_is_no_reason() -> None:
    here = {"ACME_TOKEN": "secret", "PWD": "/a", "SHLVL": "1", "_": "/bin/make", "TERM": "dumb", "MAKELEVEL": "1"}
    there = {"ACME_TOKEN": "secret", "PWD": "/b", "SSH_TTY": "/dev/pts/1", "XDG_SESSION_ID": "7", "TERM_PROGRAM": "x"}
    assert difference(beginning(here), beginning(there)) == ""


def test_a_value_may_be_any_bytes() -> None:
    assert beginning({"ACME_TOKEN": os.fsdecode(b"\xff")}).variables["ACME_TOKEN"]


def test_no_value_is_kept() -> None:
    assert "secret" not in beginning({**os.environ, "ACME_TOKEN": "secret"}).model_dump_json()
