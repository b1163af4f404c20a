"""The judge's own door: settings at run time under /_control, the facts under /_truth.

GET    /_control/healthz
GET    /_control/vendors
GET    /_control/vendors/{name}          its settings
PUT    /_control/vendors/{name}          other settings, or a new vendor; truth is kept
DELETE /_control/vendors/{name}
POST   /_control/vendors/{name}/reset    forget truth, windows and repetitions
POST   /_control/vendors/{name}/heal     let what fails on purpose work again
GET    /_truth/{name}?window_seconds=    the facts; the highest count in windows of another length, if wished
"""

import asyncio
import re

import orjson
from pydantic import ValidationError

from infra.simulator.config import SimulatorConfig, VendorConfig
from infra.simulator.truth import Truth, highest_in_window
from infra.simulator.vendor import Vendor
from infra.simulator.wire import Answer, Request, json_answer, problem

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Vendors:
    """All vendors of the process by name."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._seed = config.seed
        self._by_name: dict[str, Vendor] = {}
        for name, settings in config.vendors.items():
            self.put(name, settings)

    def get(self, name: str) -> Vendor | None:
        """The vendor of that name."""
        return self._by_name.get(name)

    def put(self, name: str, config: VendorConfig) -> None:
        """Set up a vendor, or change the settings of one."""
        if name in self._by_name:
            self._by_name[name].configure(config)
        else:
            self._by_name[name] = Vendor(name, config, default_seed=self._seed)

    def remove(self, name: str) -> None:
        """Close a vendor down."""
        del self._by_name[name]

    @property
    def names(self) -> list[str]:
        """All names in order."""
        return sorted(self._by_name)


def answer_control(vendors: Vendors, request: Request, segments: tuple[str, ...]) -> Answer:
    """Answer below /_control."""
    match request.method, segments:
        case "GET", ("healthz",):
            return json_answer({"status": "ok"})
        case "GET", ("vendors",):
            return json_answer({"vendors": vendors.names})
        case "PUT", ("vendors", name):
            return _put(vendors, name, request.body)
        case method, ("vendors", name, *action):
            vendor = vendors.get(name)
            if vendor is None:
                return problem(404, f"no vendor {name!r}")
            return _act(vendors, vendor, method, action)
        case _:
            return problem(404, "no such control")


def _put(vendors: Vendors, name: str, body: bytes) -> Answer:
    if not _NAME.fullmatch(name):
        return problem(422, "a vendor's name has lower-case letters, digits and hyphens")
    try:
        config = VendorConfig.model_validate_json(body or b"{}")
    except ValidationError as error:
        return Answer(422, error.json(include_url=False).encode())
    vendors.put(name, config)
    return Answer(200, config.model_dump_json().encode())


def _act(vendors: Vendors, vendor: Vendor, method: str, action: list[str]) -> Answer:
    match method, action:
        case "GET", []:
            return Answer(200, vendor.config.model_dump_json().encode())
        case "DELETE", []:
            vendors.remove(vendor.name)
        case "POST", ["reset"]:
            vendor.reset()
        case "POST", ["heal"]:
            vendor.heal()
        case _:
            return problem(404, "no such control")
    return Answer(204)


async def answer_truth(vendors: Vendors, request: Request, segments: tuple[str, ...]) -> Answer:
    """Answer below /_truth."""
    vendor = vendors.get(segments[0]) if len(segments) == 1 else None
    if vendor is None:
        return problem(404, "no such vendor")
    report = {"vendor": vendor.name, **vendor.truth.report()}
    text = request.query.get("window_seconds")
    if text is not None:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            return problem(400, "window_seconds must be a number above 0")
        report["window"] = await _count_window(vendor.truth, seconds)
    return Answer(200, orjson.dumps(report, option=orjson.OPT_SORT_KEYS))


async def _count_window(truth: Truth, seconds: float) -> dict[str, object]:
    # In a thread, on copies: counting millions of moments takes a second, and the vendors must go on meanwhile.
    every, admitted = truth.moments(only_admitted=False), truth.moments(only_admitted=True)
    return {
        "seconds": seconds,
        "all": await asyncio.to_thread(highest_in_window, every, seconds),
        "admitted": await asyncio.to_thread(highest_in_window, admitted, seconds),
    }
