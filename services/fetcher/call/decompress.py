"""A compressed body, piece by piece, with a bound on each piece, so that a few bytes never become gigabytes. Pure."""

import zlib
from collections.abc import Iterator

PIECE_BYTES = 64 * 1024
ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_FORMAT = 47
_NEXT_MEMBER = b"\x1f"
"""What follows a body and does not begin like this is padding."""


class Damaged(Exception):
    """The bytes are not what their encoding says."""


class Inflater:
    """One body in gzip, also of several members, or in zlib's format."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=_EITHER_FORMAT)
        self._fed = False

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here. Nothing at all is whole: a 204 names an encoding, too."""
        return self._stream.eof or not self._fed

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk stands for, in pieces of at most `PIECE_BYTES`.

        Raises:
            Damaged: the chunk is no continuation of what came before.
        """
        try:
            while chunk:
                if self._stream.eof:
                    if not chunk.startswith(_NEXT_MEMBER):
                        return
                    self._stream = zlib.decompressobj(wbits=_EITHER_FORMAT)
                self._fed = True
                piece = self._stream.decompress(chunk, PIECE_BYTES)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
                if piece:
                    yield piece
        except zlib.error as error:
            raise Damaged(str(error)) from None
