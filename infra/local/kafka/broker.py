"""Format, start and ask the broker."""

import asyncio
import base64
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from string import Template

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.local.errors import StackError
from infra.local.kafka import jars
from infra.local.kafka.java import Java, find_java
from infra.local.launch import end, launch, tail, wait_until_ready
from infra.local.pids import Process
from infra.local.record import Ports

FOLDER = Path(__file__).parent
READY_SECONDS = 120.0
STOP_SECONDS = 30.0
# Heap for a machine of 4 GB; the broker's real buffer is the system's page cache. The quick compiler alone: measured over
# a minute on two cores it produced no fewer messages, with two thirds of the processor time and 35 MiB less.
MEMORY = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=64m", "-XX:ReservedCodeCacheSize=64m")
COMPILER = ("-XX:TieredStopAtLevel=1",)


def start(root: Path, ports: Ports) -> Process:
    """Launch the broker on its data, formatted at the first start; `wait` tells when it is ready."""
    java = find_java(os.environ)
    cache = jars.choose_cache(root, os.environ)
    classpath = jars.provide(cache)
    data = root / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    properties = data / "server.properties"
    properties.write_text(_properties(data / "log", ports))
    _format(java, classpath, data, properties)
    argv = [str(java.path), *_options(), *_class_archive(java, cache, root), "kafka.Kafka", str(properties)]
    return launch(argv, log=root / "logs" / "kafka.log", environment=_environment(classpath))


def wait(root: Path, ports: Ports, process: Process) -> None:
    """Return once the broker takes requests."""

    async def answers() -> bool:
        return await takes_requests(f"127.0.0.1:{ports.kafka}")

    wait_until_ready("Kafka", process, root / "logs" / "kafka.log", answers, READY_SECONDS)


def stop(root: Path, process: Process) -> None:
    """End the broker cleanly: its logs need no recovery at the next start."""
    clean = end(process, signal.SIGTERM, STOP_SECONDS)
    cache = jars.choose_cache(root, os.environ)
    for draft in cache.glob(_draft(Path("sluice-*.jsa"), root).name):
        if clean:
            draft.replace(draft.with_suffix(""))
        else:
            draft.unlink()


async def takes_requests(bootstrap_servers: str) -> bool:
    """Tell whether the broker has joined its own cluster and says so."""
    host, _, port = bootstrap_servers.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        # Asked first because the admin client logs an error for each refused connection.
        return False
    writer.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5_000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])


def _format(java: Java, classpath: Sequence[Path], data: Path, properties: Path) -> None:
    # The mark is set last: what a killed formatting left behind is formatted again.
    mark = data / "formatted"
    if mark.exists():
        return
    shutil.rmtree(data / "log", ignore_errors=True)
    # The first letter is fixed: a leading hyphen would be taken for an option.
    cluster_id = "S" + base64.urlsafe_b64encode(uuid.uuid4().bytes)[1:22].decode()
    log = data.parent / "logs" / "kafka-format.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [
                *(str(java.path), *_options(), "kafka.tools.StorageTool"),
                *("format", "--cluster-id", cluster_id, "--config", str(properties)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(classpath),
            check=False,
        )
    if done.returncode:
        raise StackError(f"Kafka's folder {data} could not be formatted. {tail(log)}")
    mark.touch()


def _properties(log_dirs: Path, ports: Ports) -> str:
    template = Template((FOLDER / "server.properties").read_text())
    return template.substitute(
        kafka_port=ports.kafka, controller_port=ports.controller, log_dirs=_escaped(str(log_dirs))
    )


def _escaped(text: str) -> str:
    """Write a path the way Java reads properties: Latin-1, anything else by its code in hexadecimal."""
    if "," in text:
        raise StackError(f"Kafka cannot keep data in {text}: its folder must not have a comma in its name.")
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in text.replace("\\", "\\\\"))


def _options() -> list[str]:
    return [
        *MEMORY,
        *COMPILER,
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={FOLDER / 'log4j2.properties'}",
    ]


def _class_archive(java: Java, cache: Path, root: Path) -> list[str]:
    # Loaded classes are kept beside the jars and mapped at the next start, which takes a third of the time then. An
    # archive fits one Java and one set of jars only; it is written at exit, and `stop` makes it known once complete.
    key = sha256(java.version.encode() + jars.LOCK.read_bytes()).hexdigest()[:12]
    archive = cache / f"sluice-{key}.jsa"
    mode = f"SharedArchiveFile={archive}" if archive.exists() else f"ArchiveClassesAtExit={_draft(archive, root)}"
    return ["-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off", f"-XX:{mode}"]


def _draft(archive: Path, root: Path) -> Path:
    return archive.with_name(f"{archive.name}.{sha256(str(root).encode()).hexdigest()[:12]}")


def _environment(classpath: Sequence[Path]) -> dict[str, str]:
    # In the environment, not among the arguments: forty paths would hide the rest in every list of processes.
    return {**os.environ, "CLASSPATH": os.pathsep.join(map(str, classpath))}
