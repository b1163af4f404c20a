"""Topics are on the broker as the catalogue declares them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.events.catalogue import JOBS_EVENTS, VENDORS
from shared.events.catalogue import topics as declared
from shared.events.topic import Topic
from shared.messaging.topics import Difference, Profile, create_topics, find_differences
from tests.support import stack
from tests.support.stack import Place

DAY_MS = 86_400_000


async def test_events_are_kept_for_as_long_as_the_catalogue_says(topics: Place) -> None:
    """A week, in which they can be replayed; dead letters a month; configuration for good, and what says that it was
    deleted as long as events: a service that was away until then must hear of both."""
    wanted = {topic.full_name(topics.prefix): topic for topic in declared()}
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.kafka)
    await admin.start()
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted])
    finally:
        await admin.close()
    found = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    assert set(found) == set(wanted)
    for name, topic in wanted.items():
        config = found[name]
        assert config["cleanup.policy"] == topic.cleanup, name
        assert int(config["max.message.bytes"]) == topic.max_message_bytes, name
        if topic.cleanup == "delete":
            assert int(config["retention.ms"]) == (30 if name.endswith(".dead") else 7) * DAY_MS, name
        else:
            assert int(config["delete.retention.ms"]) == 7 * DAY_MS, name


async def test_topics_that_differ_from_the_catalogue_are_reported_and_not_changed(place: Place) -> None:
    """As after an upgrade, or after an operator's own decision."""
    older: list[Topic[Any]] = [replace(JOBS_EVENTS, retention=timedelta(days=1)), VENDORS]
    assert len(await create_topics(place.kafka, place.prefix, older, Profile(partitions=1))) == len(older)
    wanted: list[Topic[Any]] = [JOBS_EVENTS, VENDORS]
    asked = (place.kafka, place.prefix, wanted, Profile(partitions=1))
    assert await create_topics(*asked) == []
    try:
        name, days = JOBS_EVENTS.full_name(place.prefix), (str(DAY_MS), str(7 * DAY_MS))
        settings = ("retention.ms", "delete.retention.ms")
        told = [Difference(name, setting, *days) for setting in settings]
        assert await find_differences(*asked) == told
        assert await find_differences(*asked) == told
    finally:
        await stack.drop_topics(place.kafka, place.prefix)


async def test_topics_with_fewer_replicas_or_other_partitions_than_wanted_are_told(place: Place) -> None:
    """As where an installation grew from one broker to three: it would look replicated, and be not."""
    wanted: list[Topic[Any]] = [JOBS_EVENTS, VENDORS]
    await create_topics(place.kafka, place.prefix, wanted, Profile(partitions=1))
    try:
        found = await find_differences(place.kafka, place.prefix, wanted, Profile(partitions=6, replication=3))
        for topic, partitions in ((JOBS_EVENTS, "6"), (VENDORS, "3")):
            name = topic.full_name(place.prefix)
            assert {(one.setting, one.found, one.declared) for one in found if one.topic == name} == {
                ("partitions", "1", partitions),
                ("replication", "1", "3"),
                ("min.insync.replicas", "1", "2"),
            }
    finally:
        await stack.drop_topics(place.kafka, place.prefix)
