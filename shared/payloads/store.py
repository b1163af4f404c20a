"""One store over a local folder or S3, through obstore (small files of a folder without it).

Bytes are written under a name that is made from the job, the task's round and the claim of a call, so a fetcher that
tries again overwrites its own payload, and one that comes too late nobody's: what a reported pointer leads to stays
as it was. Of a claim that ended without a pointer the payload is deleted by whoever finds out, the fetcher that came
too late or the one that took its call over; where both end before they did it, that of a request goes with its job, and
a page stays. A local write goes to a temporary file first and is renamed, so no reader ever sees half of one.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from shared.errors import Rejected, Unavailable
from shared.events.payloads import Pointer
from shared.payloads.folder import SMALL_BYTES, Folder

PART_BYTES = 5 * 1024**2
"""S3 takes no smaller parts but the last."""
_READ_LIMIT_BYTES = 256 * 1024**2

T = TypeVar("T")


class PayloadStore:
    """Where raw payloads are. All methods raise `Unavailable` when the store does not answer."""

    def __init__(self, url: str, *, endpoint: str = "") -> None:
        """`url`: `file:///PATH`, `s3://BUCKET/PREFIX` (credentials as AWS tools find them) or `memory://`.

        Raises:
            Unavailable: the folder cannot be made or written.
        """
        self._url = url.rstrip("/")
        try:
            self._store = _open(url, endpoint)
            self._folder = Folder(_folder_of(url)) if isinstance(self._store, LocalStore) else None
        except OSError as error:
            raise Unavailable(f"payload store: {error}") from error

    async def put(self, job_id: UUID, name: str, body: bytes | AsyncIterable[bytes], *, media_type: str) -> Pointer:
        """Write a payload, whole or as a stream of chunks, of which at most `PART_BYTES` are held at once."""
        path = path_of(job_id, name)
        digest, size = hashlib.sha256(), 0

        async def measured(chunks: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
            nonlocal size
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        try:
            if isinstance(body, bytes):
                digest.update(body)
                size = len(body)
                await self._put_whole(path, body)
            else:
                self._see_folder()
                await obstore.put_async(self._store, path, measured(body), chunk_size=PART_BYTES, max_concurrency=1)
        except (BaseError, OSError) as error:
            raise Unavailable(f"payload store: {error}") from error
        return Pointer(uri=path, sha256=digest.hexdigest(), size=size, media_type=media_type[:200])

    async def _put_whole(self, path: str, body: bytes) -> None:
        if self._folder is not None and len(body) <= SMALL_BYTES:
            self._folder.put(path, body)
        else:
            self._see_folder()
            await obstore.put_async(self._store, path, body, use_multipart=False)

    async def get(self, pointer: Pointer) -> bytes:
        """Read a payload back, checked against its pointer.

        Raises:
            Rejected: `payload_missing`, `payload_corrupt` or `too_large`.
        """
        if ".." in pointer.uri or pointer.uri.startswith("/"):
            raise Rejected("schema_invalid", "a payload's uri is a relative path")
        if pointer.size > _READ_LIMIT_BYTES:
            raise Rejected("too_large", f"a payload of {pointer.size} bytes cannot be processed at once")
        body = await self._found(pointer, self._get_whole)
        if hashlib.sha256(body).hexdigest() != pointer.sha256:
            raise Rejected("payload_corrupt", f"the payload at {pointer.uri} is not the one that was stored")
        return body

    async def open(self, pointer: Pointer) -> AsyncIterator[bytes]:
        """A payload piece by piece, unchecked, for whoever hands it on.

        Raises:
            Rejected: `payload_missing`.
        """
        return await self._found(pointer, self._open_pieces)

    async def _open_pieces(self, pointer: Pointer) -> AsyncIterator[bytes]:
        return _pieces((await obstore.get_async(self._store, pointer.uri)).stream())

    async def _get_whole(self, pointer: Pointer) -> bytes:
        if self._folder is not None and pointer.size <= SMALL_BYTES:
            return self._folder.get(pointer.uri)
        result = await obstore.get_async(self._store, pointer.uri)
        return bytes(await result.bytes_async())

    async def delete(self, uris: list[str]) -> None:
        """Delete payloads; those that are gone already count as deleted."""
        try:
            self._see_folder()
            await obstore.delete_async(self._store, uris)
        except FileNotFoundError:
            # A folder stops at the first that is gone; the others are still there.
            await self._delete_each(uris)
        except (BaseError, OSError) as error:
            raise Unavailable(f"payload store: {error}") from error

    async def delete_all_of(self, job_id: UUID) -> None:
        """Delete whatever a job has stored."""
        try:
            self._see_folder()
            objects = await obstore.list(self._store, str(job_id)).collect_async()
        except (BaseError, OSError) as error:
            raise Unavailable(f"payload store: {error}") from error
        if objects:
            await self.delete([stored["path"] for stored in objects])

    def _see_folder(self) -> None:
        if self._folder is not None:
            self._folder.see()

    async def _found(self, pointer: Pointer, read: Callable[[Pointer], Awaitable[T]]) -> T:
        """What is read; what is missing only if it still is once its folder has been seen, which may just have come
        back."""
        try:
            try:
                return await read(pointer)
            except FileNotFoundError:
                self._see_folder()
                return await read(pointer)
        except FileNotFoundError:
            raise Rejected("payload_missing", f"no payload at {pointer.uri}") from None
        except (BaseError, OSError) as error:
            raise Unavailable(f"payload store: {error}") from error

    async def _delete_each(self, uris: list[str]) -> None:
        for uri in uris:
            try:
                await obstore.delete_async(self._store, uri)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise Unavailable(f"payload store: {error}") from error


def path_of(job_id: UUID, name: str) -> str:
    """Where a payload of a job is, below the store's root."""
    return f"{job_id}/{name}"


async def _pieces(stream: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for piece in stream:
        yield bytes(piece)


def _folder_of(url: str) -> Path:
    """The folder that a `file:` URL names, in which blanks and the like are percent-encoded (RFC 8089)."""
    return Path(unquote(urlsplit(url).path))


def _open(url: str, endpoint: str) -> LocalStore | S3Store | MemoryStore:
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            folder = _folder_of(url)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalStore(folder, automatic_cleanup=True)
        case "s3":
            options = {"endpoint": endpoint} if endpoint else {}
            return S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                client_options={"allow_http": endpoint.startswith("http://")},
                **options,  # type: ignore[arg-type]
            )
        case "memory":
            return MemoryStore()
        case _:
            raise ValueError(f"payload_store: expected file:///PATH or s3://BUCKET/PREFIX, got {url!r}")
