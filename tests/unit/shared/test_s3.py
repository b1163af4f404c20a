"""What an S3-compatible store is asked, with the settings that the compose file gives."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from shared.payloads.store import PART_BYTES

PROJECT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))
PROGRAM = """
import asyncio
from uuid import UUID
from shared.payloads.store import PART_BYTES, PayloadStore
from shared.runtime.service import leave
from shared.runtime.settings import ServiceSettings
settings = ServiceSettings()
store = PayloadStore(settings.payload_store, endpoint=settings.payload_store_endpoint)
async def chunks():
    for _ in range(3):
        yield bytes(PART_BYTES)
asyncio.run(store.put(UUID(int=1), "7-0", %s, media_type="application/json"))
leave(0)
"""


class Store(ThreadingHTTPServer):
    """Takes everything, and remembers by which name and login."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, str]] = []
        self.sizes: list[int] = []
        self.open = self.most_open = 0
        self.crowded = threading.Event()
        self.is_slow = False


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.server.open += 1
        self.server.most_open = max(self.server.open, self.server.most_open)
        if self.server.open > 1:
            self.server.crowded.set()
        if self.server.is_slow:
            self.server.crowded.wait(0.3)
        self._take()
        self.server.open -= 1
        self._answer(b"")

    def do_POST(self) -> None:
        """The beginning or the end of an upload in parts."""
        self._take()
        kind = "Initiate" if "uploads" in self.path else "Complete"
        inside = '<UploadId>7</UploadId><ETag>"1"</ETag>'
        self._answer(f"<{kind}MultipartUploadResult>{inside}</{kind}MultipartUploadResult>".encode())

    def _take(self) -> None:
        size = int(self.headers["content-length"] or 0)
        self.rfile.read(size)
        self.server.sizes.append(size)
        self.server.seen.append((self.command, self.path, self.headers["authorization"]))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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


def run(store: Store, body: str) -> None:
    """Put this expression with the settings of the compose file."""
    given = COMPOSE["services"]["fetcher"]["environment"]
    settings = {name: given[name] for name in ("SLUICE_PAYLOAD_STORE", "AWS_ACCESS_KEY_ID", "AWS_REGION")}
    endpoint = {"SLUICE_PAYLOAD_STORE_ENDPOINT": f"http://127.0.0.1:{store.server_port}"}
    environment = {**settings, **endpoint, "AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", PROGRAM % body], env=environment, check=True, timeout=60)


def test_the_settings_of_the_compose_file_reach_the_store(store: Store) -> None:
    run(store, 'b"{}"')
    [(method, path, authorization)] = store.seen
    assert (method, path) == ("PUT", "/sluice/payloads/00000000-0000-0000-0000-000000000001/7-0")
    assert "Credential=sluice/" in authorization and "/us-east-1/s3/" in authorization


def test_of_a_stream_one_part_is_held_while_the_store_is_slow(store: Store) -> None:
    store.is_slow = True
    run(store, "chunks()")
    assert [size for size in store.sizes if size > 1024] == [PART_BYTES] * 3
    assert store.most_open == 1
