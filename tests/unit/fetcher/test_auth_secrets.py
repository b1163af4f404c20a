"""Which secrets a vendor's auth needs."""

import pytest

from services.fetcher.call.secrets import resolve_auth
from shared.specification.vendor import BearerAuth


def test_they_are_given_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "s3cret")
    assert resolve_auth(BearerAuth(type="bearer", token="env:ACME_TOKEN")) == {"env:ACME_TOKEN": "s3cret"}
    assert resolve_auth(None) == {}
