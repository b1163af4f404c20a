"""A Kafka that was made anew counts from nothing again: what comes then is no repetition of what came before."""

from aiokafka.admin import AIOKafkaAdminClient

from shared.database.pool import Database
from shared.events.catalogue import JOBS_CONTROL
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, shell
from tests.support.eventually import eventually
from tests.support.stack import Place, make_topics

BAD = Outgoing("jobs.control", "poison", b"{", ())


async def make_anew(place: Place) -> None:
    """Delete the topic, and make it again."""
    name = JOBS_CONTROL.full_name(place.prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(gone)
    finally:
        await admin.close()
    await make_topics(place.kafka, place.prefix, [JOBS_CONTROL])


async def send(place: Place, job: str) -> None:
    """An order as a shell script sends it, and a record that is none, by a producer that knows the topic as it is."""
    value = f'{{"type": "job.control", "job_id": "{job}", "action": "pause"}}'.encode()
    producer = Producer(place.kafka, prefix=place.prefix)
    await producer.open()
    try:
        await producer.send([Outgoing("jobs.control", "a", value, ()), BAD])
    finally:
        await producer.close()


async def test_bare_records_of_a_topic_that_was_made_anew_are_new(
    topics: Place, database_for: DatabaseFor, producer: Producer, reader_for: ReaderFor
) -> None:
    database: Database = await database_for("planner")
    seen, dead, jobs = Seen(), await reader_for("planner.dead"), [new_id(), new_id()]
    for number, job in enumerate(jobs, start=1):
        async with shell(seen, topics, database, producer):
            await send(topics, str(job))
            await eventually(lambda: seen.jobs == jobs[:number] and len(dead.records) == number)  # noqa: B023
        if number == 1:
            await make_anew(topics)
    letters = {dict(record.headers)["ce_id"] for record in dead.records}
    events = {letter["event_id"] for letter in dead.values}
    assert (len(letters), len(events)) == (2, 2)
