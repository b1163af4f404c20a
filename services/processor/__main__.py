"""`python -m services.processor`"""

from services.processor.app import build
from services.processor.settings import Settings
from shared.runtime.service import run_service

if __name__ == "__main__":
    run_service("processor", Settings, build)
