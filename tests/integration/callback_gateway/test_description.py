"""/openapi.json says what the API does."""

import re
from typing import Any

from tests.integration.callback_gateway.conftest import Served


async def test_the_description_is_whole(edge: Served) -> None:
    found: dict[str, Any] = (await edge.http.get("/openapi.json")).json()
    assert found["openapi"].startswith("3.1")
    schemas = found["components"]["schemas"]
    text = (await edge.http.get("/openapi.json")).text
    assert set(re.findall(r"#/components/schemas/([A-Za-z_]+)", text)) <= set(schemas)
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            for status, answer in operation["responses"].items():
                if status.isdecimal() and status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            assert "503" in operation["responses"]


async def test_the_examples_of_the_description_are_valid(edge: Served) -> None:
    found: dict[str, Any] = (await edge.http.get("/openapi.json")).json()
    statuses = {}
    for path, method in (("/vendors/{name}", "put"), ("/sources/{name}", "put"), ("/jobs", "post")):
        body = found["paths"][path][method]["requestBody"]["content"]["application/json"]
        for example in body["examples"].values():
            value = example["value"]
            place = path.replace("{name}", str(value.get("source") or value.get("vendor")))
            answer = await edge.http.request(method.upper(), place, json=value)
            statuses[str(value)] = answer.status_code
    assert set(statuses.values()) <= {200, 201, 202}, statuses
