"""Secrets are found by reference, or it is told which reference leads nowhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Unavailable
from shared.secrets import (
    Recent,
    SecretMissing,
    allow_only,
    reserve,
    resolve,
    resolve_own,
    resolve_signing,
    signing_key,
)
from tests.support.descriptors import no_descriptors


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", " s3cret\n")
    assert resolve("env:ACME_TOKEN") == "s3cret"


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for secret in ("one", "two"):
        file.write_text(f"{secret}\n")
        assert resolve(f"file:{file}") == secret


@pytest.mark.parametrize("reference", ["env:ACME_NOT_SET", "file:/not/there", "file:/", "file:/dev/zero"])
def test_what_is_missing_is_named(reference: str) -> None:
    with pytest.raises(SecretMissing, match=reference):
        resolve(reference)


def test_a_file_that_cannot_be_read_for_now_is_not_missing(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret")
    for find in (resolve, resolve_own, resolve_signing):
        with no_descriptors(), pytest.raises(Unavailable, match=f"the secret file:{file} cannot be read: Too many"):
            find(f"file:{file}")
    for reference in (f"file:{tmp_path}", f"file:{file}/below", f"file:{tmp_path / ('x' * 300)}"):
        with no_descriptors(), pytest.raises(SecretMissing):
            resolve(reference)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "POSTGRES_PASSWORD"])
def test_what_our_libraries_log_in_with_is_nobodys_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "pw")
    with pytest.raises(SecretMissing):
        resolve(f"env:{name}")


def test_sluices_own_settings_are_nobodys_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLUICE_DATABASE_URL", "postgres://me:pw@db")
    link = tmp_path / "link"
    link.symlink_to("/proc/self/environ")
    for reference in ("env:SLUICE_DATABASE_URL", "env:sluice_database_url", "file:/proc/self/environ", f"file:{link}"):
        with pytest.raises(SecretMissing) as told:
            resolve(reference)
        assert "pw" not in str(told.value)


def test_a_pipe_and_binary_rubbish_hold_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("pipe", "binary"):
        with pytest.raises(SecretMissing):
            resolve(f"file:{tmp_path / name}")


@pytest.fixture
def anywhere() -> Iterator[None]:
    yield
    allow_only("")
    reserve()


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("places", [",", " , ", ",,"])
def test_a_list_of_no_places_is_nowhere(monkeypatch: pytest.MonkeyPatch, places: str) -> None:
    """Whoever gives a list means to narrow them."""
    monkeypatch.setenv("ACME_TOKEN", "s3cret")
    allow_only(places)
    with pytest.raises(SecretMissing):
        resolve("env:ACME_TOKEN")


@pytest.mark.usefixtures("anywhere")
def test_places_can_be_narrowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inside, outside = tmp_path / "secrets" / "acme", tmp_path / "other"
    inside.parent.mkdir()
    for file in (inside, outside):
        file.write_text("s3cret")
    (inside.parent / "link").symlink_to(outside)
    for name in ("ACME_TOKEN", "OTHER_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    allow_only(f"env:ACME_, file:{inside.parent}")
    assert [resolve("env:ACME_TOKEN"), resolve(f"file:{inside}")] == ["s3cret", "s3cret"]
    for reference in (
        "env:OTHER_TOKEN",
        f"file:{outside}",
        f"file:{inside.parent}/link",
        f"file:{inside.parent}/../other",
    ):
        with pytest.raises(SecretMissing):
            resolve(reference)


@pytest.mark.usefixtures("anywhere")
def test_a_key_of_our_own_is_nobody_elses_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else whoever may write a vendor could have it sent to an address of their choice."""
    monkeypatch.setenv("CALLBACK_KEY", "key")
    monkeypatch.setenv("CALLBACK_KEY_OF_ACME", "theirs")
    reserve("env:CALLBACK_KEY", "")
    with pytest.raises(SecretMissing, match=r"env:CALLBACK_KEY") as told:
        resolve("env:CALLBACK_KEY")
    assert "Sluice's own" in str(told.value)
    assert [resolve_own("env:CALLBACK_KEY"), resolve("env:CALLBACK_KEY_OF_ACME")] == ["key", "theirs"]
    allow_only(f"env:ACME_,file:{tmp_path}")
    assert resolve_own("env:CALLBACK_KEY") == "key"
    with pytest.raises(SecretMissing, match="env:NOT_SET"):
        resolve_own("env:NOT_SET")


@pytest.mark.usefixtures("anywhere")
def test_no_way_leads_to_the_file_of_a_key_of_our_own(tmp_path: Path) -> None:
    """Neither a link, nor another spelling, nor another name (as a disk that takes capitals for small letters gives it
    one), nor the same after the file has been exchanged behind a link."""
    key, link, name = tmp_path / "key", tmp_path / "link", tmp_path / "name"
    key.write_text("key")
    link.symlink_to(key)
    name.hardlink_to(key)
    (tmp_path / "folder").mkdir()
    for own in (key, link):
        reserve(f"file:{own}")
        for way in (key, link, name, tmp_path / "folder" / ".." / "key"):
            for kind in ("file", "other"):
                with pytest.raises(SecretMissing):
                    resolve(f"{kind}:{way}")
        assert resolve_own(f"file:{own}") == "key"
    newer = tmp_path / "newer"
    newer.write_text("newer key")
    link.unlink()
    link.symlink_to(newer)
    with pytest.raises(SecretMissing):
        resolve(f"file:{newer}")
    assert resolve_own(f"file:{link}") == "newer key"


def test_recent_ones_are_looked_up_now_and_then(tmp_path: Path) -> None:
    file, now = tmp_path / "token", 100.0
    recent = Recent(lambda: now, seconds=2)
    file.write_text("one")
    secrets, [problem] = recent.resolve([f"file:{file}", "env:ACME_NOT_SET"])
    assert secrets == ["one"]
    where = "in the environment that the services were started with"
    assert problem == f"the secret env:ACME_NOT_SET is not set {where}, or not allowed"
    file.write_text("two")
    now = 101.9
    assert recent.resolve([f"file:{file}"]).secrets == ["one"]
    now = 102.1
    assert recent.resolve([f"file:{file}"]).secrets == ["two"]


def test_a_recent_one_whose_file_cannot_be_read_for_now_stays_in_force(tmp_path: Path) -> None:
    file, other, now = tmp_path / "token", tmp_path / "other", 100.0
    recent = Recent(lambda: now, seconds=2)
    file.write_text("one")
    other.write_text("other")
    recent.resolve([f"file:{file}"])
    now = 103
    with no_descriptors():
        assert recent.resolve([f"file:{file}"]).secrets == ["one"]
        with pytest.raises(Unavailable):
            recent.resolve([f"file:{file}", f"file:{other}"])
    file.unlink()
    now = 106
    assert recent.resolve([f"file:{file}", f"file:{other}"]).secrets == ["other"]


@pytest.mark.parametrize("text", ["b25lIGtleQ==", "b25lIGtleQ", "whsec_b25lIGtleQ==", "whsec_b25lIGtleQ"])
def test_a_key_of_standard_webhooks_is_base64_with_or_without_its_prefix(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ACME_HOOK", text)
    assert signing_key(resolve_signing("env:ACME_HOOK")) == b"one key"


@pytest.mark.parametrize("text", ["whsec_", "whsec_!", "one key", "abcde", "whsec_b25l-GtleQ", "whsec_whsec_b25l"])
def test_what_is_no_key_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ACME_HOOK", text)
    with pytest.raises(SecretMissing) as caught:
        resolve_signing("env:ACME_HOOK")
    assert "env:ACME_HOOK is no key: expected base64" in str(caught.value)
    assert text not in str(caught.value).replace("whsec_ before", "")
    recent = Recent(lambda: 100.0)
    assert recent.resolve(["env:ACME_HOOK"], resolve_signing) == ([], [str(caught.value)])
    assert recent.resolve(["env:ACME_HOOK"]).secrets == [text]
