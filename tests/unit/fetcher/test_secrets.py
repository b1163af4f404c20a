"""Secrets are found by reference, or it is told which reference leads nowhere."""

import os
from pathlib import Path

import pytest

from services.fetcher.call.secrets import SecretMissing, resolve, resolve_auth
from shared.specification.vendor import BearerAuth


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", " s3cret\n")
    assert resolve("env:ACME_TOKEN") == "s3cret"
    assert resolve_auth(BearerAuth(type="bearer", token="env:ACME_TOKEN")) == {"env:ACME_TOKEN": "s3cret"}
    assert resolve_auth(None) == {}


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for secret in ("one", "two"):
        file.write_text(f"{secret}\n")
        assert resolve(f"file:{file}") == secret


@pytest.mark.parametrize("reference", ["env:ACME_NOT_SET", "file:/not/there", "file:/", "file:/dev/zero"])
def test_what_is_missing_is_named(reference: str) -> None:
    with pytest.raises(SecretMissing, match=reference):
        resolve(reference)


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
