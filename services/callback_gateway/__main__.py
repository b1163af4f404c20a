"""`python -m services.callback_gateway`; with `keys …`, the operator's command for API keys."""

import sys

from services.callback_gateway.app import build
from services.callback_gateway.keys.command import run_keys
from services.callback_gateway.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    if sys.argv[1:2] == ["keys"]:
        run_keys(sys.argv[2:])
    else:
        run_service("callback-gateway", Settings, build)
