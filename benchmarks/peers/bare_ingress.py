"""The least that takes a webhook: an ASGI handler that produces the body, and does nothing else. No signature, no
dedup, no limits, no spool, no database. `python bare_ingress.py KAFKA TOPIC PORT`."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer


class Bare:
    """The handler."""

    def __init__(self, servers: str, topic: str) -> None:
        self._servers = servers
        self._topic = topic
        self._producer: Any = None

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._servers, acks="all", linger_ms=2, max_batch_size=262_144
            )
            await self._producer.start()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await self._producer.send_and_wait(self._topic, value=body, key=b"acme")
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    kafka, topic, port = sys.argv[1:]
    uvicorn.run(
        Bare(kafka, topic), host="127.0.0.1", port=int(port), access_log=False, lifespan="off", log_level="warning"
    )
