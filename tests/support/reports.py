"""A vendor with asynchronous jobs, on a real socket inside the test, as small as can be: the test says when it calls
back, and what."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import orjson

Rows = list[dict[str, Any]]
PAGE = 2


@dataclass
class Report:
    """One job of the vendor."""

    id: str
    input: dict[str, Any]
    callback_url: str
    status: str = "queued"
    rows: Rows = field(default_factory=list)


OnSubmit = Callable[["Reports", Report], Awaitable[None]]


async def _nothing(reports: "Reports", report: Report) -> None:
    return None


class Reports:
    """`POST /reports`, `GET /reports/{id}`, `GET /reports/{id}/rows?cursor=`, `DELETE /reports/{id}`. `on_submit` runs
    before the submit is answered. `refusals` are the answers of the next submits: those from 500 on came too late, the
    others repeat what they refuse. A known `Idempotency-Key` gets the report that it had."""

    def __init__(self, on_submit: OnSubmit = _nothing, *, hang_up: bool = False) -> None:
        self.reports: dict[str, Report] = {}
        self.asked: list[str] = []
        self.callback_urls: list[str] = []
        self.submits = 0
        self.answers: list[int] = []
        self.port = 0
        self.on_submit = on_submit
        self.hang_up = hang_up
        self.refusals: list[int] = []
        self.by_key: dict[str, Report] = {}
        self.http = httpx.AsyncClient(trust_env=False, timeout=20)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Reports":
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop everybody."""
        assert self._server is not None
        self._server.close()
        await self.http.aclose()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def call_back(
        self, report: Report, status: str, *, url: str = "", headers: dict[str, str] | None = None
    ) -> int:
        """Tell what became of a report; gives the answer's status."""
        report.status = status
        body = orjson.dumps({"id": f"event-{report.id}-{status}", "status": status, "data": {"job_id": report.id}})
        answer = await self.http.post(url or report.callback_url, content=body, headers=headers)
        self.answers.append(answer.status_code)
        return answer.status_code

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                method, target, _ = head.split(" ", 2)
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
                body = await reader.readexactly(length)
                key = head.partition("idempotency-key: ")[2].partition("\r\n")[0]
                answer = await self._answer(method.upper(), target, orjson.loads(body) if body else {}, key)
                if answer is None:
                    break
                status, content = answer
                text = orjson.dumps(content)
                writer.write(f"HTTP/1.1 {status} OK\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()
        writer.close()

    async def _answer(self, method: str, target: str, body: dict[str, Any], key: str) -> tuple[int, Any] | None:
        self.asked.append(f"{method} {target}")
        path, _, query = target.partition("?")
        parts = path.strip("/").split("/")
        if method == "POST":
            self.submits += 1
            self.callback_urls.append(body.get("callback_url", ""))
            if self.refusals and (self.refusals[0] < 500 or key in self.by_key):
                return self.refusals.pop(0), {"refused": body}
            if key in self.by_key and not self.refusals:
                return 202, {"id": self.by_key[key].id, "status": self.by_key[key].status}
            report = Report(f"r{self.submits}", body, body.pop("callback_url", ""))
            if key:
                self.by_key[key] = report
            report.rows = [{"id": f"{report.id}-{number}", "of": body} for number in range(5)]
            self.reports[report.id] = report
            await self.on_submit(self, report)
            if self.refusals:
                return self.refusals.pop(0), {}
            return None if self.hang_up else (202, {"id": report.id, "status": report.status})
        report = self.reports[parts[1]]
        if method == "DELETE":
            report.status = "deleted"
            return 200, {}
        if len(parts) == 2:
            return 200, {"id": report.id, "status": report.status}
        return 200, _page(report, query)


def _page(report: Report, query: str) -> dict[str, Any]:
    """By `cursor` or `offset`, the page's number or the last row's id; with the total, and the next page's URL."""
    asked = dict(parse_qsl(query))
    start = int(asked.get("cursor") or asked.get("offset") or 0)
    if "page" in asked:
        start = (int(asked["page"]) - 1) * PAGE
    if "since" in asked:
        start = int(asked["since"].rpartition("-")[2]) + 1
    end = start + PAGE
    more = end < len(report.rows)
    found: dict[str, Any] = {"rows": report.rows[start:end], "next": str(end) if more else None}
    return {**found, "total": len(report.rows), "url": f"/reports/{report.id}/rows?offset={end}" if more else None}
