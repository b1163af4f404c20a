"""`python -m services.planner`"""

from services.planner.app import build
from services.planner.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service("planner", Settings, build)
