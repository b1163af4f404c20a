"""Topics are on the broker as the catalogue declares them."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.events.catalogue import topics as declared
from tests.stack import Place

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
