"""The compose file against its specification, and against the code that it starts."""

import json
import os
import re
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator

from services.callback_gateway.settings import Settings as GatewaySettings
from services.fetcher.settings import Settings as FetcherSettings
from services.planner.settings import Settings as PlannerSettings
from services.processor.settings import Settings as ProcessorSettings
from services.provision import STEPS, ProvisionSettings
from shared.client.cli_replay import KAFKA
from shared.events.catalogue import SERVICES
from shared.runtime.settings import ServiceSettings, read_settings

PROJECT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
IMAGE = (PROJECT / "infra" / "image" / "Dockerfile").read_text("utf-8")
SCHEMA = json.loads((Path(__file__).parent / "data" / "compose-spec.json").read_text("utf-8"))
KINDS = (ServiceSettings, GatewaySettings, FetcherSettings, PlannerSettings, ProcessorSettings, ProvisionSettings)
SETTINGS = {f"SLUICE_{name.upper()}" for kind in KINDS for name in kind.model_fields}


def test_it_is_what_the_specification_wants() -> None:
    """The schema of the compose specification, as of June 2026."""
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(COMPOSE)] == []


def test_every_service_and_every_step_is_there() -> None:
    assert {*SERVICES, "simulator"} <= set(PARTS)
    assert not any("profiles" in part for part in PARTS.values()), "one command starts all of it"
    steps = {part["command"][-1] for part in PARTS.values() if "services.provision" in part.get("command", ())}
    assert steps == set(STEPS) - {"all"}


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.get("command", [""])[0] == "python"])
def test_what_it_starts_is_there(name: str) -> None:
    command = PARTS[name]["command"]
    assert command[1] == "-m"
    assert find_spec(command[2]) is not None


@pytest.mark.parametrize("name", PARTS)
def test_its_settings_are_settings(name: str) -> None:
    given = {key for key in PARTS[name].get("environment", {}) if key.startswith("SLUICE_")}
    assert given <= SETTINGS


@pytest.mark.parametrize("name", PARTS)
def test_only_this_machine_can_connect(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in PARTS[name].get("ports", ()))


def test_the_key_of_callbacks_is_random_and_made_once(tmp_path: Path) -> None:
    """A default would be known to everybody, and good for callbacks of any vendor."""
    shell, option, script = PARTS["callback-key"]["command"]
    for name in ("a", "a", "b"):
        (tmp_path / name).mkdir(exist_ok=True)
        subprocess.run([shell, option, script.replace("/keys", str(tmp_path / name))], check=True)
        found = (tmp_path / name / "callback").stat()
        assert (found.st_size, stat.S_IMODE(found.st_mode)) == (45, 0o600)
    assert (tmp_path / "a" / "callback").read_text() != (tmp_path / "b" / "callback").read_text()


def test_the_key_of_callbacks_is_kept_when_it_is_there(tmp_path: Path) -> None:
    shell, option, script = PARTS["callback-key"]["command"]
    (tmp_path / "callback").write_text("ours", "ascii")
    subprocess.run([shell, option, script.replace("/keys", str(tmp_path))], check=True)
    assert (tmp_path / "callback").read_text("ascii") == "ours"


def test_the_key_of_callbacks_is_readable_where_it_is_needed() -> None:
    readers = {name for name, part in PARTS.items() if "keys:/keys:ro" in part.get("volumes", ())}
    users = {name for name, part in PARTS.items() if "SLUICE_CALLBACK_KEY" in part.get("environment", {})}
    assert readers == users == {"fetcher", "callback-gateway"}
    assert {PARTS[name]["environment"]["SLUICE_CALLBACK_KEY"] for name in users} == {"file:/keys/callback"}
    assert all("callback-key" in PARTS[name]["depends_on"] for name in users)
    assert "install -d -o sluice /keys" in IMAGE, "the volume takes the owner of the folder that it is mounted on"


def test_the_image_is_built_once_and_before_it_is_used() -> None:
    """Parts that export one name at the same time fail with a store of Docker's that is the default by now."""
    ours = {name: part for name, part in PARTS.items() if part["image"] == "sluice"}
    [builder] = [name for name, part in ours.items() if "build" in part]
    for name in ours.keys() - {builder}:
        assert ours[name]["pull_policy"] == "never"
        assert builder in waited_for(name), name


def waited_for(name: str) -> set[str]:
    direct = set(PARTS[name].get("depends_on", ()))
    return direct.union(*map(waited_for, direct))


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part["image"] == "sluice"])
def test_it_may_do_no_more_than_it_must(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] and part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert ("env_file" in part) == (name in ("fetcher", "callback-gateway"))


def test_each_part_has_the_secrets_that_it_needs_and_no_others() -> None:
    logins = {f"{service.replace('-', '_')}_password": {service, "roles"} for service in SERVICES}
    storers = {"fetcher", "processor", "callback-gateway"}
    wanted = {
        **logins,
        "admin_password": {"roles", "migrate"},
        "AWS_SECRET_ACCESS_KEY": {*storers, "storage", "bucket"},
    }
    for secret, parts in wanted.items():
        assert {name for name, part in PARTS.items() if secret in part.get("environment", {})} == parts, secret


def test_no_password_is_part_of_a_url() -> None:
    """It would have to be written otherwise there than where the server gets it."""
    urls = [value for part in PARTS.values() for value in part.get("environment", {}).values() if "://" in str(value)]
    assert not [url for url in urls if "$" in url.partition("@")[0] and "@" in url]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_finds_its_password(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PARTS[service]["environment"].items():
        monkeypatch.setenv(name, value)
    schema = service.replace("-", "_")
    login = read_settings(ServiceSettings).database_login(schema)
    assert login.url == f"postgresql://sluice_{schema}@postgres:5432/sluice"
    assert login.password == PARTS["roles"]["environment"][f"{schema}_password"]


def test_what_is_mounted_and_copied_is_there() -> None:
    mounts = [mount for part in PARTS.values() for mount in part.get("volumes", ()) if mount.startswith("./")]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", IMAGE, re.MULTILINE)
    for place in [*(mount.split(":")[0] for mount in mounts), *copied]:
        assert (PROJECT / place).exists(), place
    ignored = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    for place in copied:
        assert any(line.removeprefix("!") in (place, place.split("/")[0]) for line in ignored), place


def test_kafka_answers_its_neighbours_and_this_machine_by_names_that_they_know() -> None:
    kafka = PARTS["kafka"]["environment"]
    listeners = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))
    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(one.split(":") for one in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(listeners) == set(protocols) == {*advertised, "CONTROLLER"}
    assert advertised["PLAINTEXT"] == PARTS["planner"]["environment"]["SLUICE_KAFKA_BOOTSTRAP_SERVERS"]
    [port] = PARTS["kafka"]["ports"]
    assert port == f"{advertised['HOST'].rpartition(':')[0]}:{KAFKA.rpartition(':')[2]}{listeners['HOST']}"
    assert advertised["HOST"] == KAFKA, "where the command looks for it"


def test_callbacks_of_a_vendor_in_a_container_reach_the_gateway() -> None:
    """To the simulator a loopback address is its own. Vendors elsewhere need a URL of the gateway that is set."""
    given = PARTS["fetcher"]["environment"]["SLUICE_GATEWAY_PUBLIC_URL"]
    [name, default] = re.findall(r"\$\{(\w+):-(.+)\}", given)[0]
    assert (name, urlsplit(default).hostname) == ("SLUICE_GATEWAY_PUBLIC_URL", "callback-gateway")
    assert urlsplit(default).port == read_settings(GatewaySettings).gateway_port
    assert "SLUICE_GATEWAY_PORT" not in PARTS["callback-gateway"]["environment"]
    assert not any("networks" in part for part in PARTS.values()), "all are in one network"


def test_the_image_has_the_command() -> None:
    """Run as there: with the environment's Python first in the path, and the code in PYTHONPATH."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    place = {"PATH": path, "PYTHONPATH": str(PROJECT), "SLUICE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    program = PROJECT / "infra" / "image" / "sluice"
    arguments = ["replay", "jobs.events", "--from", "2026-11-01T00:00:00Z", "--to-topic", "jobs.events"]
    done = subprocess.run([program, *arguments], env=place, capture_output=True, text=True, check=False)
    assert "no answer from Kafka at 127.0.0.1:1;" in done.stderr


def test_whoever_waits_for_somebody_names_a_part() -> None:
    for name, part in PARTS.items():
        assert set(part.get("depends_on", ())) <= set(PARTS), name
