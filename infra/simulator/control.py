"""The judge's own door: settings at run time under /_control, the facts under /_truth.

GET    /_control/healthz
GET    /_control/vendors
GET    /_control/vendors/{name}          its settings
PUT    /_control/vendors/{name}          other settings, or a new vendor; truth is kept
DELETE /_control/vendors/{name}
POST   /_control/vendors/{name}/reset    forget truth, windows and repetitions
POST   /_control/vendors/{name}/heal     let what fails on purpose work again
GET    /_truth/{name}?window_seconds=&address=    the facts; the highest count in windows of another length, if wished,
                                         of all clients together or of one address
GET    /_truth/{name}/callbacks          every attempt of a callback with its answer, oldest first

PUT    /_control/proxies/{name}          open a proxy, or open it anew with other settings
GET    /_control/proxies                 all of them: where they are, where they leave from, what they were asked for

GET, PUT, DELETE /_control/receivers/{name}, POST …/reset and GET /_truth/receive/{name} are the same for receivers of
webhooks.
"""

import asyncio
import re
from collections.abc import Sequence

import orjson
from pydantic import ValidationError

from infra.simulator.config import RESERVED, SimulatorConfig, VendorConfig
from infra.simulator.proxy import Proxies
from infra.simulator.receiver import Receivers
from infra.simulator.truth import Truth, highest_in_window
from infra.simulator.vendor import Vendor
from infra.simulator.wire import Answer, Request, json_answer, problem

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Vendors:
    """All vendors of the process by name, the receivers of webhooks, and the proxies."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._seed = config.seed
        self._by_name: dict[str, Vendor] = {}
        for name, settings in config.vendors.items():
            self.put(name, settings)
        self.receivers = Receivers(config.receivers)
        self.proxies = Proxies()

    def get(self, name: str) -> Vendor | None:
        """The vendor of that name."""
        return self._by_name.get(name)

    def put(self, name: str, config: VendorConfig) -> None:
        """Set up a vendor, or change the settings of one."""
        if name in self._by_name:
            self._by_name[name].configure(config)
        else:
            self._by_name[name] = Vendor(name, config, default_seed=self._seed)

    async def remove(self, name: str) -> None:
        """Close a vendor down."""
        await self._by_name.pop(name).close()

    async def close(self) -> None:
        """Close all vendors down."""
        for name in self.names:
            await self.remove(name)
        await self.proxies.close()

    @property
    def names(self) -> list[str]:
        """All names in order."""
        return sorted(self._by_name)


async def answer_control(vendors: Vendors, request: Request, segments: tuple[str, ...]) -> Answer:
    """Answer below /_control."""
    match segments:
        case ("healthz",) if request.method == "GET":
            return json_answer({"status": "ok"})
        case ("vendors", *place):
            return await _control_vendors(vendors, request, place)
        case ("receivers", *place):
            return vendors.receivers.answer(request, place)
        case ("proxies", *place):
            return await vendors.proxies.answer(request, place)
        case _:
            return problem(404, "no such control")


async def _control_vendors(vendors: Vendors, request: Request, place: list[str]) -> Answer:
    match request.method, place:
        case "GET", []:
            return json_answer({"vendors": vendors.names})
        case "PUT", [name]:
            return _put(vendors, name, request.body)
        case method, [name, *action]:
            vendor = vendors.get(name)
            if vendor is None:
                return problem(404, f"no vendor {name!r}")
            return await _act(vendors, vendor, method, action)
        case _:
            return problem(404, "no such control")


def _put(vendors: Vendors, name: str, body: bytes) -> Answer:
    if not _NAME.fullmatch(name) or name in RESERVED:
        return problem(422, "a vendor's name has lower-case letters, digits and hyphens, and is not taken")
    try:
        config = VendorConfig.model_validate_json(body or b"{}")
    except ValidationError as error:
        return Answer(422, error.json(include_url=False).encode())
    vendors.put(name, config)
    return Answer(200, config.model_dump_json().encode())


async def _act(vendors: Vendors, vendor: Vendor, method: str, action: list[str]) -> Answer:
    match method, action:
        case "GET", []:
            return Answer(200, vendor.config.model_dump_json().encode())
        case "DELETE", []:
            await vendors.remove(vendor.name)
        case "POST", ["reset"]:
            vendor.reset()
        case "POST", ["heal"]:
            vendor.heal()
        case _:
            return problem(404, "no such control")
    return Answer(204)


async def answer_truth(vendors: Vendors, request: Request, segments: tuple[str, ...]) -> Answer:
    """Answer below /_truth."""
    match segments:
        case ("receive", name) if (receiver := vendors.receivers.get(name)) is not None:
            return json_answer(receiver.report())
        case (name, "callbacks") if (vendor := vendors.get(name)) is not None:
            return json_answer({"callbacks": list(vendor.book.truth.log)})
        case (name,) if (vendor := vendors.get(name)) is not None:
            return await _tell_of_vendor(vendor, request)
        case _:
            return problem(404, "no such vendor or receiver")


async def _tell_of_vendor(vendor: Vendor, request: Request) -> Answer:
    report = {"vendor": vendor.name, **vendor.truth.report(), "reports": vendor.book.truth.report()}
    text = request.query.get("window_seconds")
    if text is not None:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            return problem(400, "window_seconds must be a number above 0")
        report["window"] = await _count_window(vendor.truth, seconds, request.query.get("address"))
    return Answer(200, orjson.dumps(report, option=orjson.OPT_SORT_KEYS))


async def _count_window(truth: Truth, seconds: float, address: str | None) -> dict[str, object]:
    # In a thread, on copies: counting millions of moments takes a second, and the vendors must go on meanwhile.
    every: Sequence[float] = truth.moments(only_admitted=False, address=address)
    admitted = truth.moments(only_admitted=True, address=address)
    return {
        "seconds": seconds,
        "all": await asyncio.to_thread(highest_in_window, every, seconds),
        "admitted": await asyncio.to_thread(highest_in_window, admitted, seconds),
    }
