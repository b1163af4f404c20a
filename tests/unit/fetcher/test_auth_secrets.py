"""Which secrets a vendor's auth needs, and which a webhook may be signed with."""

from pathlib import Path

import pytest

from services.fetcher.call.secrets import SigningSecrets, resolve_auth
from shared.secrets import SecretMissing
from shared.specification.auth import BearerAuth


def test_they_are_given_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "s3cret")
    assert resolve_auth(BearerAuth(type="bearer", token="env:ACME_TOKEN")) == {"env:ACME_TOKEN": "s3cret"}
    assert resolve_auth(None) == {}


def test_signing_secrets_may_have_places_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own, other = tmp_path / "signing" / "key", tmp_path / "signing-not" / "key"
    for file in (own, other):
        file.parent.mkdir()
        file.write_text("b25lIGtleQ==")
    (own.parent / "link").symlink_to(other)
    for name in ("SIGN_KEY", "ACME_HOOK"):
        monkeypatch.setenv(name, "b25lIGtleQ==")
    good, bad = ["env:SIGN_KEY", f"file:{own}"], ["env:ACME_HOOK", f"file:{other}", f"file:{own.parent}/link"]
    bad += [f"file:{own.parent}/../signing-not/key", "env:SIGN_MISSING"]
    signing = SigningSecrets(f"env:SIGN_, file:{own.parent}")
    assert [signing.key(reference) for reference in good] == [b"one key"] * 2
    for reference in bad:
        with pytest.raises(SecretMissing, match=f"the secret {reference} "):
            signing.key(reference)
    monkeypatch.setenv("ACME_HOOK", "no key")
    with pytest.raises(SecretMissing, match="not allowed for signing"):
        signing.key("env:ACME_HOOK")
    monkeypatch.setenv("ACME_HOOK", "b25lIGtleQ==")
    assert [SigningSecrets().key(reference) for reference in (*good, *bad[:4])] == [b"one key"] * 6
