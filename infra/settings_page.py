"""Writes docs/settings.md from the models of the settings: `make docs`."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from services.provision import ProvisionSettings
from shared.brokers import KafkaSettings
from shared.environment import variable
from shared.events.catalogue import SERVICES
from shared.runtime.settings import ServiceSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Written by `make docs` from the models in `shared/brokers.py`, `shared/runtime/settings.py`, `services/provision.py` and
each service's `settings.py`.

Each process reads its settings from environment variables when it starts. A wrong value ends the process, which names
the variable and does not print its value. A variable whose name is nearly that of a setting is reported in the log. All
services may share one environment: each ignores the settings of the others. [Deploy](operations/deploy.md) says which
settings go together and when to change them.
"""
COMMAND = """## The `sluice` command

| variable | default | meaning |
|---|---|---|
| `SLUICE_URL` | `http://127.0.0.1:8080` | URL of the gateway |
| `SLUICE_API_KEY` | empty | API key that the command sends |
| `SLUICE_KAFKA` | `127.0.0.1:9092` | Kafka brokers for `sluice replay`; the other variables of Kafka hold for it, too |
| `SLUICE_TOPIC_PREFIX` | `sluice` | first part of every topic's name, for `sluice replay` |

`make up` and the other targets that start the local stack read `SLUICE_LOCAL_DATABASE_URL`: a superuser's URL of a
Postgres of your own, which they use instead of starting one; and `SLUICE_LOCAL_PORTS`: the ports that they choose
from, 20000-29999 by default.
"""
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most"}
_MIB = 1024**2

Fields = dict[str, FieldInfo]


def page() -> str:
    """The whole page."""
    parts = [HEAD, _section("Kafka, in every process", KafkaSettings.model_fields)]
    parts.append(_section("Every service and provisioning", _own(ServiceSettings, KafkaSettings)))
    for service in SERVICES:
        kind = import_module(f"services.{service.replace('-', '_')}.settings").Settings
        parts.append(_section(f"`{service}`", _own(kind, ServiceSettings)))
    parts.append(_section("Provisioning", _own(ProvisionSettings, ServiceSettings)))
    return "\n".join([*parts, COMMAND])


def _own(kind: type[KafkaSettings], base: type[KafkaSettings]) -> Fields:
    """The fields that a model adds to its base."""
    return {name: field for name, field in kind.model_fields.items() if name not in base.model_fields}


def _section(title: str, fields: Fields) -> str:
    rows = [
        f"| `{variable((name,))}` | {_default(name, field.default)} | {_allowed(field)} | {field.description} |"
        for name, field in fields.items()
    ]
    return "\n".join((f"## {title}\n", "| variable | default | allowed | meaning |", "|---|---|---|---|", *rows, ""))


def _default(name: str, value: Any) -> str:
    if value == "":
        return "empty"
    if name.endswith("_bytes"):
        return f"`{value}` ({value // _MIB} MiB)"
    return f"`{value:g}`" if isinstance(value, float) and value < _MIB else f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    return ", ".join(_limits(field.metadata))


def _limits(metadata: Iterable[object]) -> Iterable[str]:
    for constraint in metadata:
        for name, words in _LIMITS.items():
            limit = getattr(constraint, name, None)
            if limit is not None:
                yield f"{words} {limit:g}" if isinstance(limit, float) else f"{words} {limit}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
