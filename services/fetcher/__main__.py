"""`python -m services.fetcher`"""

from services.fetcher.app import build
from services.fetcher.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service("fetcher", Settings, build)
