"""How many dead letters are open, by service and reason."""

from services.callback_gateway.metrics import LETTERS_OPEN
from services.callback_gateway.redrive.count import CountOpen
from shared.ids import new_id
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of, letter_of_task


def open_letters() -> dict[tuple[str, str], float]:
    """What the metric says, by service and reason."""
    [family] = LETTERS_OPEN.collect()
    return {(one.labels["service"], one.labels["reason"]): one.value for one in family.samples}


async def test_open_letters_are_counted_by_service_and_reason(edge: Served) -> None:
    count = CountOpen(edge.database, most_reasons=3, most_letters=3)
    ids = await keep(
        edge.database,
        letter_of(),
        letter_of(),
        letter_of(reason="empty"),
        letter_of_task(new_id(), new_id(), reason="attempts_exhausted"),
    )
    await count.step()
    expected = {("planner", "bug"): 2, ("planner", "empty"): 1, ("fetcher", "attempts_exhausted"): 1}
    assert open_letters() == expected
    for letter_id, verb in ((ids[0], "redrive"), (ids[2], "discard")):
        answer = await edge.http.post(
            f"/dead-letters/{letter_id}/{verb}", json={"reason": "x"} if verb == "discard" else None
        )
        assert answer.is_success, answer.text
    await count.step()
    assert open_letters() == {("planner", "bug"): 1, ("fetcher", "attempts_exhausted"): 1}
    await keep(edge.database, *(letter_of(reason=f"refused_{number}") for number in range(500, 505)), letter_of())
    await count.step()
    found = open_letters()
    assert sum(found.values()) == 8
    assert len(found) == 4
    assert (found["planner", "bug"], found["other", "other"]) == (2, 4)
    await keep(edge.database, letter_of(), letter_of())
    await count.step()
    assert open_letters()["planner", "bug"] == 3
