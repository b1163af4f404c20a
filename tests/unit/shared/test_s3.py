"""What an S3-compatible store is asked, with the settings that the compose file gives."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))
PROGRAM = """
import asyncio
from uuid import UUID
from shared.payloads.store import PayloadStore
from shared.runtime.service import leave
from shared.runtime.settings import ServiceSettings
settings = ServiceSettings()
store = PayloadStore(settings.payload_store, endpoint=settings.payload_store_endpoint)
asyncio.run(store.put(UUID(int=1), "7-0", b"{}", media_type="application/json"))
leave(0)
"""


class Store(ThreadingHTTPServer):
    """Takes everything, and remembers by which name and login."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.command, self.path, self.headers["authorization"]))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Quietly."""


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_settings_of_the_compose_file_reach_the_store(store: Store) -> None:
    given = COMPOSE["services"]["fetcher"]["environment"]
    settings = {name: given[name] for name in ("SLUICE_PAYLOAD_STORE", "AWS_ACCESS_KEY_ID", "AWS_REGION")}
    endpoint = {"SLUICE_PAYLOAD_STORE_ENDPOINT": f"http://127.0.0.1:{store.server_port}"}
    environment = {**settings, **endpoint, "AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=60)
    [(method, path, authorization)] = store.seen
    assert (method, path) == ("PUT", "/sluice/payloads/00000000-0000-0000-0000-000000000001/7-0")
    assert "Credential=sluice/" in authorization and "/us-east-1/s3/" in authorization
