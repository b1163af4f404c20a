"""Where a number belongs, only a number is taken: pydantic alone would read true as 1, and "5" as 5."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

from infra.reference_types import models_in
from services.callback_gateway.redrive.model import DiscardOrder, RedriveOrder
from shared.client.schemas import MODELS
from shared.errors import Invalid, Problem
from shared.specification.parse import decode_json, parse
from shared.specification.scalars import Scalar
from shared.specification.source import Source
from shared.specification.values import Share, Size, Strict
from shared.specification.vendor import Limits, Retry, Vendor, Window
from tests.unit.shared.test_odd_documents import KINDS, places_in, replaced

ROOTS = (*MODELS.values(), RedriveOrder, DiscardOrder)
FREE = {"parameters", "input", "query", "json", "event"}
"""Parts of documents whose values are the user's own."""
VENDOR = {"vendor": "acme", "base_url": "https://a.example"}


def models_below(kind: Any, known: set[Any]) -> Iterator[type[BaseModel]]:
    """Each model of which a document of a type may have an object."""
    for model in models_in(kind):
        if model not in known:
            known.add(model)
            yield model
            for field in model.model_fields.values():
                yield from models_below(field.annotation, known)


def types_in(kind: Any) -> set[Any]:
    """The plain types of which a value may be, beside those of the user's own values."""
    if kind == Scalar:
        return set()
    return set().union(*map(types_in, get_args(kind))) if get_args(kind) else {kind}


def number_fields() -> list[tuple[type[BaseModel], str, type]]:
    """Each field that takes a number: its model, its name in a document, its type."""
    known: set[Any] = set()
    return [
        (model, field.alias or name, plain)
        for root in ROOTS
        for model in models_below(root, known)
        for name, field in model.model_fields.items()
        for plain in (int, float)
        if plain in types_in(field.annotation)
    ]


@pytest.mark.parametrize(("model", "name", "plain"), number_fields())
def test_only_a_number_is_taken_for_one(model: type[BaseModel], name: str, plain: type) -> None:
    field = next(one for key, one in model.model_fields.items() if name in (key, one.alias))
    is_text_good = any(one in field.metadata for one in get_args(Size)[1:])
    for given in (True, False, *(() if is_text_good else ("5",))):
        with pytest.raises(Invalid) as caught:
            parse(TypeAdapter(model), {name: given})
        [detail] = [one.detail for one in caught.value.problems if one.pointer == f"/{name}"]
        assert detail.startswith("expected a"), (model, name, given)


def numbers_in(document: Any) -> list[tuple[int | str, ...]]:
    """The places of numbers in a document, beside those of the user's own."""
    found = []
    for place in places_in(document):
        value = document
        for step in place:
            value = value[step]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and FREE.isdisjoint(place):
            found.append(place)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [True, "5"])
def test_a_document_is_refused_at_the_place_of_what_is_no_number(kind: str, given: object) -> None:
    read, documents = KINDS[kind]
    places = [(document, place) for document in documents for place in numbers_in(document)]
    assert places
    for document, place in places:
        with pytest.raises(Invalid) as caught:
            read(replaced(document, place, given))
        [problem] = caught.value.problems
        assert problem.pointer == "".join(f"/{step}" for step in place)
        assert problem.detail.startswith("expected")


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({"retry": {"attempts": True}}, "/retry/attempts", "expected a whole number, got true"),
        ({"retry": {"attempts": "3"}}, "/retry/attempts", "expected a whole number, got a text"),
        ({"retry": {"attempts": 2.5}}, "/retry/attempts", "expected a whole number"),
        ({"retry": {"attempts": [3]}}, "/retry/attempts", "expected a whole number"),
        ({"retry": {"backoff": {"factor": False}}}, "/retry/backoff/factor", "expected a number, got false"),
        ({"retry": {"backoff": {"factor": "2.0"}}}, "/retry/backoff/factor", "expected a number, got a text"),
        ({"limits": {"body": True}}, "/limits/body", "expected a size such as 64KiB, 10MB or a number of bytes"),
    ],
)
def test_what_was_expected_is_told(document: dict[str, Any], pointer: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(TypeAdapter(Vendor), {**VENDOR, **document})
    assert caught.value.problems == (Problem(pointer, detail),)


def test_numbers_sizes_and_shares_are_read_in_all_their_forms() -> None:
    assert parse(TypeAdapter(Window), {"requests": 5.0, "per": "1s"}).requests == 5
    assert parse(TypeAdapter(Retry), {"backoff": {"factor": 2}}).backoff.factor == 2.0
    assert [parse(TypeAdapter(Limits), {"body": size}).body for size in ("5", "10 MB", 7)] == [5, 10_000_000, 7]
    assert [parse(TypeAdapter(Share), share) for share in ("1%", 0.01, 0, 1.0)] == [0.01, 0.01, 0.0, 1.0]


@pytest.mark.parametrize(("kind", "model"), [("vendor", Vendor), ("source", Source)])
def test_what_was_written_down_is_read_again(kind: str, model: type[Strict]) -> None:
    read, documents = KINDS[kind]
    for document in documents:
        found = read(document)
        assert isinstance(found, model)
        text = found.model_dump_json(by_alias=True).encode()
        assert model.model_validate_json(text) == found == read(decode_json(text))
