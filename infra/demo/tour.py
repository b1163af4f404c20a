"""One of each: what else Sluice does, each thing once, and where to look."""

import asyncio
import base64
import hmac
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console

from infra.local import services
from shared.api_models import Reply
from shared.client.client import SluiceClient

DOCUMENTS = Path(__file__).with_name("tour.yaml")
DEADLINE_SECONDS = 45.0
REPORTS: dict[str, Any] = {
    "rows": 40,
    "work_seconds": [0.5, 2.0],
    "early_share": 0.2,
    "twice_share": 0.2,
    "forged_share": 0.35,
}


class Tour:
    """Shows one of each design."""

    def __init__(self, client: SluiceClient, root: Path, vendor: dict[str, Any], console: Console) -> None:
        self._client = client
        self._console = console
        self._secret_file = root.absolute() / "demo.secret"
        self._vendor = vendor
        self._gateway, self._simulator = services.gateway_url(root), services.simulator_url(root)
        self._http = httpx.AsyncClient(trust_env=False, timeout=30)

    async def run(self) -> None:
        """Each in turn, in under half a minute."""
        secret = self._secret()
        async with self._http:
            await self._prepare(secret)
            self._console.print("\n[bold]One of each[/]")
            await self._invoke()
            await self._request()
            await self._webhook(secret)
            await self._schedule()

    def _secret(self) -> str:
        """The secret that vendor, hook and receiver share; made once, and only its owner may read it."""
        if not self._secret_file.exists():
            made = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
            with os.fdopen(os.open(self._secret_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(made)
        return self._secret_file.read_text("utf-8").strip()

    async def _prepare(self, secret: str) -> None:
        text = DOCUMENTS.read_text("utf-8").replace("{simulator}", self._simulator)
        documents = list(yaml.safe_load_all(text.replace("{secret}", str(self._secret_file))))
        for document in documents:
            kind = next(name for name in ("source", "hook", "vendor") if name in document)
            await self._client.put(f"{kind}s", document[kind], document)  # type: ignore[arg-type]
        signed = {"scheme": "standard-webhooks", "secret": secret}
        await self._control("vendors/acme", {**self._vendor, "reports": {**REPORTS, "sign": signed}})
        await self._control("receivers/demo", {"secret": secret, "fail_first": 1})

    async def _control(self, place: str, settings: dict[str, Any]) -> None:
        (await self._http.put(f"{self._simulator}/_control/{place}", json=settings)).raise_for_status()

    async def _truth(self, place: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get(f"{self._simulator}/_truth/{place}")).json()
        return found

    async def _invoke(self) -> None:
        """Six jobs of the vendor's own, which calls back: early, twice, and a forger calls, too."""
        reference = await self._client.submit({"source": "acme-reports"})
        job = await self._client.wait(reference.id, deadline_seconds=DEADLINE_SECONDS)
        truth = (await self._truth("acme"))["reports"]
        answers = {kind: sorted(found) for kind, found in truth["callbacks"]["answers"].items()}
        forged = answers.pop("forged", [])
        self._show(
            "Asynchronous vendor jobs",
            f"{truth['submits']} submits, {job.records} rows, job {job.status}. The vendor called back"
            f" {', '.join(sorted(answers))}"
            + (f"; forged callbacks were answered {', '.join(forged)}" if forged else ""),
            f".venv/bin/sluice tasks {job.id}",
        )

    async def _request(self) -> None:
        """One call whose answer comes back."""
        document = {"vendor": "acme", "request": {"path": "/items", "query": {"limit": 1}}}
        reply = await self._client.request(document, wait_seconds=20)
        assert isinstance(reply, Reply)
        first = json.loads(reply.body)["items"][0]
        self._show(
            "One request, robustly made",
            f"the vendor's own answer: {reply.status}, {len(reply.body)} bytes, first item {first['id']}",
            f"curl -i {self._gateway}/jobs/{reply.job_id}/answer",
        )

    async def _webhook(self, secret: str) -> None:
        """A webhook comes in, starts a job, and its end goes out as a webhook."""
        before = (await self._truth("receive/demo"))["accepted"]["distinct"]
        sender_id = f"msg_{secrets.token_hex(8)}"
        for _ in range(2):
            answer = await self._send(sender_id, secret, {"offset": 100})
        forged = await self._send(f"{sender_id}x", "whsec_" + "A" * 32, {"offset": 100})
        job_id = answer.json()["links"]["job"].rsplit("/", 1)[1]

        async def is_reported() -> bool:
            return bool((await self._truth("receive/demo"))["accepted"]["distinct"] > before)

        await _until(is_reported)
        truth = await self._truth("receive/demo")
        self._show(
            "Webhooks in and out",
            f"sent twice, answered {answer.status_code}, one job; a forged one got {forged.status_code}. The end of the"
            f" job was reported to a receiver that failed at first: signature {', '.join(truth['by_signature'])}",
            f".venv/bin/sluice status {job_id}",
        )

    async def _send(self, sender_id: str, secret: str, content: dict[str, Any]) -> httpx.Response:
        body, stamp = json.dumps(content).encode(), str(int(time.time()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, f"{sender_id}.{stamp}.".encode() + body, "sha256")).decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": sender_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{signature}",
        }

        async def sent() -> httpx.Response | None:
            answer = await self._http.post(f"{self._gateway}/in/acme-changed", content=body, headers=headers)
            return None if answer.status_code == 404 else answer

        answer: httpx.Response = await _until(sent)
        return answer

    async def _schedule(self) -> None:
        """A job for later."""
        at = datetime.now(UTC) + timedelta(seconds=2)
        start = {"source": "acme-some", "parameters": {"offset": 200}}
        reference = await self._client.schedule({"triggerAt": at.isoformat(), "start": start})

        async def fired() -> Any:
            firings = (await self._client.find_schedule(reference.id)).firings
            return firings[0] if firings and firings[0].verdict == "succeeded" else None

        firing = await _until(fired)
        self._show(
            "Requests for later",
            f"asked for {at:%H:%M:%S.%f}, fired {firing.late_ms} ms late, {firing.verdict}",
            f".venv/bin/sluice schedules show {reference.id}",
        )

    def _show(self, what: str, seen: str, look: str) -> None:
        self._console.print(f"  [bold]{what}[/]: {seen}.\n    {look}")


async def _until(condition: Callable[[], Awaitable[Any]]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.1)
    raise TimeoutError("the demo waited too long")
