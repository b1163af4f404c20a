"""The vendor simulator: somebody else's API, as strict and as broken as the settings say, and the judge of its clients.

Each vendor lives at /{vendor}/ with one data set in every pagination style:

    items?offset=&limit=   items/metadata   items/{id}   pages?page=&per_page=   cursor?cursor=&limit=
    next?offset=&limit=    link?page=&per_page=          keyset?after_id=&limit= POST quote
    POST search {offset, limit} or {after_id, limit} or {cursor, limit}

every listing also with updated_since=; and with asynchronous jobs that are called back (`reports/`):

    POST reports {callback_url, …}   GET reports/{id}   GET reports/{id}/rows?cursor=&limit=   DELETE reports/{id}

Receivers of other people's webhooks live at /receive/{name}. `config.py`, `reports/config.py` and `receiver.py`
document the settings, `control.py` the judge's own door; docs/simulator.md tells the whole from outside.
A request's way: protocol (bytes) → server (which vendor) → vendor (contract, fate) → endpoints → pages → wire.
Pure are those from endpoints on, and the plans; protocol, server, proxy and courier do the network's part, vendor, truth
and book keep what was seen.
"""

from infra.simulator.config import Contract, FailPath, Fault, Misbehaviour, ResetField, SimulatorConfig, VendorConfig
from infra.simulator.receiver import ReceiverConfig
from infra.simulator.reports.config import ReportsConfig, Signing
from infra.simulator.server import Simulator

__all__ = [
    "Contract",
    "FailPath",
    "Fault",
    "Misbehaviour",
    "ReceiverConfig",
    "ReportsConfig",
    "ResetField",
    "Signing",
    "Simulator",
    "SimulatorConfig",
    "VendorConfig",
]
