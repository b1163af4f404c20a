"""`/vendors`, `/sources`, `/hooks`: configuration as state, carried on compacted topics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.callback_gateway.configure import store
from services.callback_gateway.configure.announce import Announcement, Apply
from services.callback_gateway.configure.handler import hooks, sources, vendors
from services.callback_gateway.configure.store import Table
from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.checks import check_notices, check_values, check_waits
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.description import document, schema_of
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.problems import Refusal, problem_responses
from shared.errors import Invalid, Problem
from shared.events.catalogue import HOOKS, SOURCES, VENDORS, records_topic
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured
from shared.events.envelope import Event
from shared.events.topic import Topic
from shared.messaging.handler import Outgoing, outgoing, tombstone
from shared.messaging.latest import Latest
from shared.messaging.topics import Profile, create_topics
from shared.specification import values
from shared.specification.hook import Hook
from shared.specification.hosts import read_vendor
from shared.specification.mistakes import unknown
from shared.specification.parse import parse
from shared.specification.placeholders import read_source
from shared.specification.source import Source, TopicSink

_PATTERN = r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$"
Name = Annotated[str, Path(pattern=_PATTERN, description="its name")]
NewName = Annotated[str, Path(json_schema_extra={"pattern": _PATTERN}, description="its name")]
_NAME: TypeAdapter[str] = TypeAdapter(values.Name)


@dataclass(frozen=True)
class Kind:
    """A kind of configuration: its names in paths, documents and topics, and how it is kept."""

    table: Table
    name: str
    topic: Topic[Any]
    read: Callable[[Any], Any]
    event: Callable[[Any], Event]
    kept: Latest
    example: dict[str, Any]


KINDS = (
    Kind(
        "vendors",
        "vendor",
        VENDORS,
        read_vendor,
        lambda found: VendorConfigured(vendor=found),
        vendors,
        {
            "vendor": "acme",
            "base_url": "https://api.acme.example/v2",
            "auth": {"type": "bearer", "token": "env:ACME_TOKEN"},
            "budget": {"windows": [{"requests": 50, "per": "1s", "burst": 5}], "in_flight": 20},
        },
    ),
    Kind(
        "sources",
        "source",
        SOURCES,
        read_source,
        lambda found: SourceConfigured(source=found),
        sources,
        {
            "source": "acme-orders",
            "vendor": "acme",
            "poll": {
                "request": {"path": "/orders"},
                "pages": {"style": "offset", "size": 100, "total": "body.total"},
                "records": {"select": "body.data[]", "key": "id"},
            },
        },
    ),
    Kind(
        "hooks",
        "hook",
        HOOKS,
        partial(parse, TypeAdapter(Hook)),
        lambda found: HookConfigured(hook=found),
        hooks,
        {
            "hook": "acme-order-changed",
            "verify": {"scheme": "github", "secrets": ["env:ACME_HOOK"]},
            "start": {
                "source": "acme-orders",
                "parameters": {"id": "body.order.id"},
                "when": "body.action == 'changed'",
            },
        },
    ),
)


def routes(kind: Kind) -> APIRouter:
    """The routes of one kind of configuration."""
    router = APIRouter(prefix=f"/{kind.table}", tags=["configuration"])
    schema = schema_of(kind.name.capitalize())
    shown: dict[str, Any] = {"content": {"application/json": {"schema": schema}}}
    listed = {
        "type": "object",
        "required": [kind.table],
        "properties": {kind.table: {"type": "array", "items": schema}},
    }

    @router.get(
        "",
        summary=f"List {kind.table}",
        responses={200: {"content": {"application/json": {"schema": listed}}}, **problem_responses()},
    )
    async def list_documents(context: Context) -> Response:
        """All of them, by name."""
        async with context.database.transaction() as tx:
            return json_response({kind.table: await store.find_documents(tx, kind.table)})

    @router.get("/{name}", summary=f"Show a {kind.name}", responses={200: shown, **problem_responses(404)})
    async def show(context: Context, name: Name) -> Response:
        """The document as it is in force."""
        return json_response(await _found(context, kind, name))

    @router.put(
        "/{name}",
        summary=f"Create or replace a {kind.name}",
        responses={
            200: shown,
            201: {"description": "Created", **shown},
            **problem_responses(400, 404, 408, 413, 415, 422),
        },
        openapi_extra={"requestBody": document(kind.name.capitalize(), kind.example)},
    )
    async def put(context: Context, name: NewName, request: Request) -> Response:
        """In force everywhere within two seconds; the next request to this process sees it at once."""
        return await _put(context, kind, name, request)

    @router.delete("/{name}", status_code=204, summary=f"Delete a {kind.name}", responses=problem_responses(404))
    async def delete(context: Context, name: Name) -> Response:
        """Running jobs keep the source that they began with. Calls of a deleted vendor wait a minute for it to come
        back."""
        await _found(context, kind, name)
        await _announce(context, kind, tombstone(kind.topic, name), lambda tx: kind.kept.remove(tx, [name]))
        return Response(status_code=204)

    return router


async def _found(context: ApiContext, kind: Kind, name: str) -> dict[str, Any]:
    async with context.database.transaction() as tx:
        found = await store.find_documents(tx, kind.table, only=name)
    if not found:
        raise Refusal(404, f"no {kind.name} is called {name}")
    return found[0]


async def _put(context: ApiContext, kind: Kind, name: str, request: Request) -> Response:
    _, given = await read_json_body(request, context.settings)
    _check_name(kind, name)
    found = kind.read({kind.name: name, **given} if isinstance(given, dict) else given)
    await _check(context, kind, name, found)
    await _create_topic(context, found)
    async with context.database.transaction() as tx:
        existed = bool(await store.find_documents(tx, kind.table, only=name))
    message = outgoing(kind.topic, name, kind.event(found))
    await _announce(context, kind, message, lambda tx: kind.kept.put(tx, {name: found}))
    body = found.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json_response(body, 200 if existed else 201)


def _check_name(kind: Kind, name: str) -> None:
    """The name in a path is told like one in a document."""
    try:
        parse(_NAME, name)
    except Invalid as error:
        raise Invalid([Problem(f"/{kind.name}", one.detail) for one in error.problems]) from None


async def _announce(context: ApiContext, kind: Kind, message: Outgoing, apply: Apply) -> None:
    """The change is durable, and whoever asks this process next sees it."""
    announcement = Announcement(context.database, context.outbound, context.settings.gateway_apply_seconds)
    await announcement.tell(kind.table, message, apply)
    await context.configuration.refresh()


async def _create_topic(context: ApiContext, found: Any) -> None:
    """A source that sends its records to a topic has one from the moment it is applied."""
    if isinstance(found, Source) and any(isinstance(sink, TopicSink) for sink in found.sinks):
        settings = context.settings
        profile = Profile(settings.topic_partitions, settings.topic_replication)
        topic = records_topic(found.source)
        await create_topics(settings.brokers, settings.topic_prefix, [topic], profile)


async def _check(context: ApiContext, kind: Kind, name: str, found: Any) -> None:
    if getattr(found, kind.name) != name:
        raise Invalid([Problem(f"/{kind.name}", f"expected {name}, the name in the path")])
    if isinstance(found, Source):
        await context.configuration.refresh()
        if found.vendor not in context.configuration.vendors:
            raise Invalid([unknown("vendor", found.vendor, context.configuration.vendors)])
        await check_waits(context, found)
        await check_notices(context, found.notify, "/notify")
    if isinstance(found, Hook) and found.start is not None:
        await context.configuration.refresh()
        if found.start.source not in context.configuration.sources:
            problem = unknown("source", found.start.source, context.configuration.sources)
            raise Invalid([Problem("/start/source", problem.detail)])
        try:
            await check_values(context, found.start.source, found.start.parameters)
        except Invalid as error:
            raise Invalid([Problem(f"/start{one.pointer}", one.detail) for one in error.problems]) from None
