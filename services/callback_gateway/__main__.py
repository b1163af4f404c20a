"""`python -m services.callback_gateway`"""

from services.callback_gateway.app import build
from services.callback_gateway.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service("callback-gateway", Settings(), build)
