"""What is wrong with a process's settings is told by the names of its variables, not by a traceback."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from services.callback_gateway.http.server import HttpServer
from services.callback_gateway.settings import Settings as GatewaySettings
from services.fetcher.settings import Settings as FetcherSettings
from services.provision import ProvisionSettings
from shared.errors import Invalid, Unavailable
from shared.runtime.health import HealthServer, Heartbeat
from shared.runtime.service import open_runtime
from shared.runtime.settings import ServiceSettings, misspelt, read_settings
from shared.secrets import SecretMissing, reserve, resolve

PROJECT = Path(__file__).resolve().parents[3]


def test_each_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_DATABASE_CONNECTIONS", "many")
    monkeypatch.setenv("SLUICE_PAYLOAD_STORE", "ftp://somewhere")
    with pytest.raises(Invalid) as raised:
        read_settings(ServiceSettings)
    assert [one.pointer for one in raised.value.problems] == ["SLUICE_DATABASE_CONNECTIONS", "SLUICE_PAYLOAD_STORE"]


def test_a_log_level_is_one_of_four_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "debug")
    assert read_settings(ServiceSettings).log_level == "DEBUG"
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "verbose")
    with pytest.raises(Invalid, match="SLUICE_LOG_LEVEL: "):
        read_settings(ServiceSettings)


@pytest.mark.parametrize("networks", ["10.0.0.0/33", "10.1.2.3/8", "everywhere", "10.0.0.0/8;::1"])
def test_networks_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, networks: str) -> None:
    monkeypatch.setenv("SLUICE_PRIVATE_NETWORKS", networks)
    with pytest.raises(Invalid, match=r"SLUICE_PRIVATE_NETWORKS: expected networks such as 10\.0\.0\.0/8"):
        read_settings(FetcherSettings)


def test_only_what_is_nearly_a_setting_is_reported() -> None:
    given = ["SLUICE_KAFKA_BOOTSTRAP_SERVER", "SLUICE_GATEWAY_PORT", "SLUICE_URL", "SLUICE_TOPIC_PREFIX", "PATH"]
    assert misspelt(FetcherSettings, given) == {"SLUICE_KAFKA_BOOTSTRAP_SERVER": "SLUICE_KAFKA_BOOTSTRAP_SERVERS"}


def test_nobody_takes_the_setting_of_another_for_a_mistake() -> None:
    from services.planner.settings import Settings as PlannerSettings
    from services.processor.settings import Settings as ProcessorSettings

    kinds = (ServiceSettings, FetcherSettings, PlannerSettings, ProcessorSettings, GatewaySettings, ProvisionSettings)
    others = ["SLUICE_URL", "SLUICE_API_KEY", "SLUICE_KAFKA", "SLUICE_LOCAL_DATABASE_URL", "SLUICE_LOCAL_PORTS"]
    given = [f"SLUICE_{name.upper()}" for kind in kinds for name in kind.model_fields] + others
    assert [misspelt(kind, given) for kind in kinds] == [{}] * len(kinds)


@pytest.mark.parametrize("module", ["planner", "provision", "callback_gateway keys list", "skip g t 0 0"])
def test_a_process_with_wrong_settings_says_so_in_one_line(module: str) -> None:
    environment = {"SLUICE_TOPIC_PREFIX": "NO GOOD", "PYTHONPATH": str(PROJECT)}
    program = [sys.executable, "-m", *f"services.{module}".split()]
    done = subprocess.run(program, env=environment, capture_output=True, check=False, timeout=60)
    [line] = done.stderr.decode().splitlines()
    assert done.returncode in (1, 2)
    assert "SLUICE_TOPIC_PREFIX" in line
    if module == "planner":
        assert json.loads(line)["event"] == "service.cannot_start"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = f"cannot listen at 127.0.0.1:{port}: Address already in use"
        with pytest.raises(Unavailable, match=told):
            HttpServer(FastAPI(), "127.0.0.1", port, 10)
        with pytest.raises(Unavailable, match=told):
            HealthServer("127.0.0.1", port, Heartbeat(), dict)


def test_what_settings_refer_to_is_out_of_the_reach_of_specifications(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALLBACK_KEY", "key")
    for kind in (FetcherSettings, GatewaySettings):
        open_runtime("fetcher", kind(callback_key="env:CALLBACK_KEY", payload_store=tmp_path.as_uri()))
        with pytest.raises(SecretMissing):
            resolve("env:CALLBACK_KEY")
        reserve()
