"""One suite over every payload store. S3 takes part where `SLUICE_TEST_S3` (s3://BUCKET/PREFIX) and, if it is not
Amazon's own, `SLUICE_TEST_S3_ENDPOINT` are set."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.errors import Rejected, Unavailable
from shared.ids import new_id
from shared.payloads.folder import MARK, SMALL_BYTES, Folder
from shared.payloads.store import PayloadStore


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PayloadStore:
    match request.param:
        case "folder":
            return PayloadStore(tmp_path.as_uri())
        case "memory":
            return PayloadStore("memory://")
        case _:
            if "SLUICE_TEST_S3" not in os.environ:
                pytest.skip("SLUICE_TEST_S3 is not set")
            return PayloadStore(os.environ["SLUICE_TEST_S3"], endpoint=os.environ.get("SLUICE_TEST_S3_ENDPOINT", ""))


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 5000])
async def test_what_is_put_comes_back(store: PayloadStore, body: bytes) -> None:
    pointer = await store.put(new_id(), "1-0", body, media_type="application/json")
    assert (pointer.size, pointer.media_type) == (len(body), "application/json")
    assert await store.get(pointer) == body


async def test_a_stream_comes_back_whole(store: PayloadStore) -> None:
    pieces = [bytes([number]) * 1_000_000 for number in range(12)]
    pointer = await store.put(new_id(), "1-0", chunks(*pieces), media_type="application/json")
    assert pointer.size == 12_000_000
    assert await store.get(pointer) == b"".join(pieces)


async def test_a_repeated_put_replaces_its_own(store: PayloadStore) -> None:
    job = new_id()
    first = await store.put(job, "1-0", b"first", media_type="text/plain")
    second = await store.put(job, "1-0", b"second", media_type="text/plain")
    assert first.uri == second.uri
    assert await store.get(second) == b"second"
    with pytest.raises(Rejected) as refused:
        await store.get(first)
    assert refused.value.reason == "payload_corrupt"


async def test_what_is_missing_is_said_to_be(store: PayloadStore) -> None:
    pointer = await store.put(new_id(), "1-0", b"gone", media_type="text/plain")
    await store.delete([pointer.uri])
    with pytest.raises(Rejected) as refused:
        await store.get(pointer)
    assert refused.value.reason == "payload_missing"


async def test_no_pointer_leads_out_of_the_store(store: PayloadStore) -> None:
    pointer = await store.put(new_id(), "1-0", b"x", media_type="text/plain")
    for uri in ("../secret", "/etc/passwd", "a/../../b"):
        with pytest.raises(Rejected):
            await store.get(pointer.model_copy(update={"uri": uri}))


async def test_what_is_gone_already_keeps_nothing_else_from_being_deleted(store: PayloadStore) -> None:
    job = new_id()
    pointers = [await store.put(job, f"{number}-0", b"x", media_type="text/plain") for number in range(50)]
    await store.delete([pointer.uri for pointer in pointers[::7]])
    await store.delete([pointer.uri for pointer in pointers])
    for pointer in pointers:
        with pytest.raises(Rejected):
            await store.get(pointer)


async def test_a_folder_keeps_nothing_of_a_job_whose_payloads_are_gone(tmp_path: Path) -> None:
    store = PayloadStore(tmp_path.as_uri())
    job = new_id()
    sizes = {"1-0": 10, "2-0": SMALL_BYTES + 1}
    pointers = [await store.put(job, name, bytes(size), media_type="text/plain") for name, size in sizes.items()]
    await store.delete([pointers[0].uri])
    assert [file.name for file in (tmp_path / str(job)).iterdir()] == ["2-0"]
    await store.delete([pointers[1].uri])
    assert list(tmp_path.iterdir()) == [tmp_path / MARK]
    assert await store.get(await store.put(job, "3-0", b"x", media_type="text/plain")) == b"x"


async def test_payloads_are_put_while_the_last_of_their_job_are_deleted(tmp_path: Path) -> None:
    store, job = PayloadStore(tmp_path.as_uri()), new_id()

    async def put_and_delete(number: int) -> None:
        for _ in range(200):
            pointer = await store.put(job, f"{number}-0", b"x", media_type="text/plain")
            assert await store.get(pointer) == b"x"
            await store.delete([pointer.uri])

    await asyncio.gather(*(put_and_delete(number) for number in range(4)))
    assert list(tmp_path.iterdir()) == [tmp_path / MARK]


@pytest.mark.parametrize("size", [10, SMALL_BYTES + 1])
@pytest.mark.parametrize("in_its_place", ["nothing", "a folder", "a store"])
async def test_what_is_in_a_folder_that_is_away_is_not_gone(tmp_path: Path, size: int, in_its_place: str) -> None:
    """Such as a volume that is not mounted for a while: nothing is written in its place, where it would be hidden."""
    root, away, job = tmp_path / "payloads", tmp_path / "away", new_id()
    store = PayloadStore(root.as_uri())
    pointer = await store.put(job, "1-0", bytes(size), media_type="text/plain")
    root.rename(away)
    if in_its_place != "nothing":
        root.mkdir()
    if in_its_place == "a store":
        PayloadStore(root.as_uri())
    standing = list(root.rglob("*"))
    works = [
        store.get(pointer),
        store.open(pointer),
        store.put(job, "2-0", bytes(size), media_type="text/plain"),
        store.delete([pointer.uri]),
        store.delete_all_of(job),
    ]
    for work in works:
        with pytest.raises(Unavailable, match="is away"):
            await work
    assert list(root.rglob("*")) == standing
    if in_its_place != "nothing":
        root.rename(tmp_path / "other")
    away.rename(root)
    assert await store.get(pointer) == bytes(size)
    again = await store.put(job, "2-0", bytes(size), media_type="text/plain")
    await store.delete([pointer.uri, again.uri])


def test_a_folder_that_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    PayloadStore((tmp_path / "payloads").as_uri())
    assert (tmp_path / "payloads").stat().st_mode & 0o777 == 0o700


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "my dir é" / "100%41 #1?"
    store = PayloadStore(folder.as_uri())
    for size in (10, SMALL_BYTES + 1):
        pointer = await store.put(new_id(), "1-0", bytes(size), media_type="text/plain")
        assert (folder / pointer.uri).stat().st_size == size
        assert await store.get(pointer) == bytes(size)
        assert [len(piece) async for piece in await store.open(pointer)] == [size]
        await store.delete([pointer.uri])
    assert list(tmp_path.rglob("*")) == [folder.parent, folder, folder / MARK]


def test_a_folder_is_known_by_its_mark_whoever_made_it(tmp_path: Path) -> None:
    """Its inode may be that of another volume in its place."""
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.see()
    second.see()
    (tmp_path / MARK).rename(tmp_path / "aside")
    Folder(tmp_path)
    for folder in (first, second):
        with pytest.raises(OSError, match="is away"):
            folder.see()


def test_a_folder_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="payload store: "):
        PayloadStore((tmp_path / "file" / "payloads").as_uri())
