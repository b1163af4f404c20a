"""Topics are created from the catalogue, by a provisioning step; services only check that they are there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.brokers import Brokers
from shared.errors import SluiceError, Unavailable
from shared.events.topic import Topic
from shared.messaging.faults import administration
from shared.observability.logs import get_logger

_QUIET_PARTITIONS = 3

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that exists is not as the catalogue declares it, or not as the profile asks for."""

    topic: str
    setting: str
    found: str
    declared: str


class TopicsMissing(SluiceError):
    """Topics of the catalogue do not exist; run the provisioning step."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How large an installation is. `partitions` is what busy topics get."""

    partitions: int = 4
    replication: int = 1

    def partitions_of(self, topic: Topic[Any]) -> int:
        """Partitions of one topic."""
        return self.partitions if topic.busy else min(self.partitions, _QUIET_PARTITIONS)


async def create_topics(
    brokers: Brokers | str, prefix: str, wanted: Iterable[Topic[Any]], profile: Profile
) -> list[str]:
    """Create the topics that are missing; gives their full names.

    Raises:
        Unavailable: no broker answers, or it refuses.
    """
    new = [_new_topic(topic, prefix, profile) for topic in wanted]
    async with administration(brokers) as admin:
        answer = await admin.create_topics(new)
    created = []
    for name, code, *rest in answer.topic_errors:
        refused = for_code(code)
        if code == 0:
            created.append(name)
        elif refused is not TopicAlreadyExistsError:
            raise Unavailable(f"Kafka: topic {name}: {refused.__name__} {rest}")
    return created


async def find_differences(
    brokers: Brokers | str, prefix: str, wanted: Iterable[Topic[Any]], profile: Profile
) -> list[Difference]:
    """What existing topics have otherwise than the catalogue and the profile: from an older release, or on purpose.
    Only reported, never changed: a user may want to keep records longer.

    Raises:
        Unavailable: no broker answers, or it refuses.
    """
    shapes = {topic.full_name(prefix): _shape(topic, profile) for topic in wanted}
    declared = {topic.full_name(prefix): _settings(topic, profile) for topic in wanted}
    resources = [ConfigResource(ConfigResourceType.TOPIC, *item) for item in declared.items()]
    async with administration(brokers) as admin:
        described = await admin.describe_topics(list(shapes))
        [answer] = await admin.describe_configs(resources)
    differences = [
        Difference(one["topic"], setting, found, shapes[one["topic"]][setting])
        for one in described
        for setting, found in _shape_found(one).items()
        if found != shapes[one["topic"]][setting]
    ]
    for code, message, _, name, entries in answer.resources:
        if code:
            raise Unavailable(f"Kafka: topic {name}: {for_code(code).__name__} {message or ''}")
        found = {entry[0]: entry[1] for entry in entries}
        differences += [
            Difference(name, setting, found[setting], value)
            for setting, value in declared[name].items()
            if found.get(setting, value) != value
        ]
    return differences


async def warn_of_differences(
    brokers: Brokers | str, prefix: str, needed: Iterable[Topic[Any]], profile: Profile
) -> None:
    """Log in one line how existing topics differ. A service starts all the same (decision 17)."""
    try:
        differences = await find_differences(brokers, prefix, needed, profile)
    except Unavailable as error:
        # A login that may read and write topics may not always describe them, and nothing depends on it.
        log.warning("topics.not_compared", error=str(error))
        return
    if differences:
        text = "; ".join(f"{one.topic} {one.setting}={one.found}, expected {one.declared}" for one in differences)
        log.warning("topics.differ", differences=text)


def _new_topic(topic: Topic[Any], prefix: str, profile: Profile) -> NewTopic:
    return NewTopic(
        name=topic.full_name(prefix),
        num_partitions=profile.partitions_of(topic),
        replication_factor=profile.replication,
        topic_configs=_settings(topic, profile),
    )


def _shape(topic: Topic[Any], profile: Profile) -> dict[str, str]:
    """What a topic is created with and no configuration of it shows."""
    return {"partitions": str(profile.partitions_of(topic)), "replication": str(profile.replication)}


def _shape_found(described: Mapping[str, Any]) -> dict[str, str]:
    """The same of a topic that exists; of partitions with more and fewer replicas, the fewest count.

    Raises:
        Unavailable: the broker does not say.
    """
    if described["error_code"]:
        raise Unavailable(f"Kafka: topic {described['topic']}: {for_code(described['error_code']).__name__}")
    partitions = described["partitions"]
    fewest = min(len(one["replicas"]) for one in partitions)
    return {"partitions": str(len(partitions)), "replication": str(fewest)}


def _settings(topic: Topic[Any], profile: Profile) -> dict[str, str]:
    retention = str(int(topic.retention.total_seconds() * 1000))
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": retention,
        "delete.retention.ms": retention,
        "max.message.bytes": str(topic.max_message_bytes),
        "min.insync.replicas": str(max(1, profile.replication - 1)),
    }


async def check_topics(brokers: Brokers | str, prefix: str, needed: Iterable[Topic[Any]]) -> None:
    """Refuse to start on a broker that lacks a topic: a consumer would wait for it silently.

    Raises:
        TopicsMissing: with their names.
        Unavailable: no broker answers.
    """
    async with administration(brokers) as admin:
        existing = set(await admin.list_topics())
    missing = sorted({topic.full_name(prefix) for topic in needed} - existing)
    if missing:
        raise TopicsMissing(f"topics do not exist: {', '.join(missing)}; run python -m services.provision topics")
