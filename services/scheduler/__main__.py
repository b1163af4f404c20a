"""`python -m services.scheduler`"""

from services.scheduler.app import build
from services.scheduler.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service("scheduler", Settings, build)
