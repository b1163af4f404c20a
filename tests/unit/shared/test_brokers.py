"""How Kafka is to be reached: what does not go together is told by the names of the variables."""

from pathlib import Path

import pytest

from shared.brokers import Brokers, KafkaSettings, options_of, read_brokers
from shared.errors import Invalid
from shared.runtime.settings import ServiceSettings, own_secrets, read_settings

LOGIN = {"username": "sluice", "password": "env:TEST_KAFKA_PASSWORD"}
REFUSED = {
    "a login without a name": ({"security_protocol": "SASL_SSL", "password": LOGIN["password"]}, "USERNAME"),
    "a login without a password": ({"security_protocol": "SASL_SSL", "username": "sluice"}, "PASSWORD"),
    "a name where nobody logs in": ({"username": "sluice"}, "USERNAME"),
    "a password where nobody logs in": ({"security_protocol": "SSL", "password": LOGIN["password"]}, "PASSWORD"),
    "a password itself": ({**LOGIN, "security_protocol": "SASL_SSL", "password": "canary"}, "PASSWORD"),
    "authorities where nothing is encrypted": ({"ca_file": __file__}, "CA_FILE"),
    "authorities that are not there": ({"security_protocol": "SSL", "ca_file": "/nowhere.pem"}, "CA_FILE"),
    "an unknown protocol": ({**LOGIN, "security_protocol": "TLS"}, "SECURITY_PROTOCOL"),
    "an unknown mechanism": ({**LOGIN, "security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "SASL_MECHANISM"),
}


def give(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"SLUICE_KAFKA_{name.upper()}", value)


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, wrong = REFUSED[case]
    give(monkeypatch, **settings)
    for read in (lambda: read_settings(ServiceSettings), lambda: read_brokers("127.0.0.1:9092")):
        with pytest.raises(Invalid) as raised:
            read()
        [problem] = raised.value.problems
        assert problem.pointer == f"SLUICE_KAFKA_{wrong}"
        assert "canary" not in problem.detail


def test_the_password_is_a_secret_of_our_own_that_is_looked_up_when_a_client_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, **LOGIN, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN")
    settings = read_settings(ServiceSettings)
    assert LOGIN["password"] in own_secrets(settings)
    with pytest.raises(Invalid, match="SLUICE_KAFKA_PASSWORD: the secret env:TEST_KAFKA_PASSWORD is not set"):
        settings.brokers.options()
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", "canary")
    assert settings.brokers.options()["sasl_plain_password"] == "canary"
    assert "canary" not in f"{settings!r} {settings.brokers!r} {settings.brokers}"


def test_a_file_of_authorities_that_holds_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(Invalid, match="SLUICE_KAFKA_CA_FILE"):
        Brokers("127.0.0.1:9093", "SSL", ca_file=str(file)).options()


def test_without_more_than_addresses_nobody_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    plain = {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}
    assert KafkaSettings().brokers.options() == options_of("a:1,b:2") == plain
