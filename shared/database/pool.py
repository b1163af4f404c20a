"""The pool of one service, with deadlines everywhere and faults by kind.

Every wait is bounded: connecting, acquiring, each statement. A fault of the infrastructure becomes `Unavailable`;
a value that Postgres cannot store becomes `Unstorable`; all else is a defect of ours and passes as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from shared.database.address import Login, unusable
from shared.database.session import leave_session, set_codecs
from shared.errors import Rejected, SluiceError, Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Transaction: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:
    Transaction = asyncpg.Connection

Row: TypeAlias = asyncpg.Record

_ACQUIRE_SECONDS = 5
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 20
_FAREWELL_SECONDS = 1
"""How long a server may take to end a statement that was given up; then its connection is cut."""
_TRANSIENT_STATES = ("08", "40001", "40P01", "53", "57", "55P03", "25006", "25P03", "58")
_UNSTORABLE_STATES = ("22", "54")
_STATES_OF_CONTENT = ("22003", "22021", "22P05", "54")
"""A number out of range, characters that are none here, a size beyond a limit."""
_CLIENT_FAULTS = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Unstorable(Rejected):
    """Postgres refuses a value that is valid JSON: NUL in text, a lone surrogate, a number out of range. With
    `by_content` that is why; else the value may be of a type that a statement of ours does not expect."""

    def __init__(self, message: str, *, by_content: bool) -> None:
        super().__init__("unstorable_value", message)
        self.by_content = by_content


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that the database does not answer (and not that the work is wrong)."""
    if isinstance(error, asyncpg.DataError) and isinstance(error, asyncpg.InterfaceError):
        return False
    if isinstance(error, (asyncpg.PostgresConnectionError, asyncpg.InvalidCachedStatementError)):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT_STATES)
    return isinstance(error, _CLIENT_FAULTS)


def is_unstorable(error: BaseException) -> bool:
    """Whether Postgres (or its client) refused a value."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_UNSTORABLE_STATES)
    return isinstance(error, (asyncpg.DataError, UnicodeEncodeError))


class Database:
    """A pool of connections to one service's schema."""

    def __init__(self, login: Login | str, *, schema: str, connections: int = 6, idle_seconds: float = 60) -> None:
        """`login` (or its URL alone) is that of the service's own role; `schema` becomes the whole search path. The
        server ends a transaction that is idle for `idle_seconds`: its process is frozen, with rows locked."""
        self._login = Login(login) if isinstance(login, str) else login
        self._schema = schema
        self._connections = connections
        self._idle_seconds = idle_seconds
        self._pools: tuple[asyncpg.Pool[asyncpg.Record], ...] = ()
        """Two pools: the common one, and that of the reserved connection."""

    async def open(self) -> None:
        """Connect. The reserved connection is made when it is first used.

        Raises:
            Unavailable: the server does not answer or refuses the role.
            Invalid: the URL cannot be used.
        """
        self._pools = (await self._create_pool(1, self._connections), await self._create_pool(0, 1))

    async def _create_pool(self, fewest: int, most: int) -> "asyncpg.Pool[asyncpg.Record]":
        try:
            return await asyncpg.create_pool(
                self._login.url,
                password=self._login.password or None,
                min_size=fewest,
                max_size=most,
                command_timeout=_STATEMENT_SECONDS,
                timeout=_CONNECT_SECONDS,
                max_inactive_connection_lifetime=60,
                init=set_codecs,
                reset=leave_session,
                server_settings={
                    "search_path": self._schema,
                    "application_name": f"sluice-{self._schema}",
                    "statement_timeout": f"{_STATEMENT_SECONDS * 1000}",
                    "idle_in_transaction_session_timeout": f"{self._idle_seconds * 1000:.0f}",
                    "jit": "off",
                    # A plain index scan marks the entries of dead rows that it meets, so that the next one passes them
                    # over; a bitmap scan reads them again each time, and queues in tables leave thousands.
                    "enable_bitmapscan": "off",
                },
            )
        except ValueError:
            raise unusable("SLUICE_DATABASE_URL") from None
        except (asyncpg.PostgresError, *_CLIENT_FAULTS) as error:
            raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error

    async def close(self, *, within_seconds: float = 5) -> None:
        """Close all connections; those still busy after `within_seconds` are cut."""
        pools, self._pools = self._pools, ()
        await asyncio.gather(*(_close(pool, within_seconds) for pool in pools))

    @asynccontextmanager
    async def transaction(self, *, reserved: bool = False) -> AsyncIterator[Transaction]:
        """One transaction: commits at the end of the block, rolls back on any error. A `reserved` one has a connection
        beside the pool, for what must go on while the pool is used up.

        Raises:
            Unavailable: the database does not answer; whether a commit under way took effect is unknown.
            Unstorable: a value cannot be stored.
        """
        with _faults_translated():
            async with self._connection(reserved=reserved) as connection:
                transaction = connection.transaction()
                try:
                    await transaction.start()
                    yield connection
                except BaseException:
                    await _roll_back(connection, transaction)
                    raise
                await transaction.commit()

    async def execute(self, statement: str, *arguments: object) -> None:
        """One statement as a transaction of its own: a third of the questions to the server.

        Raises:
            Unavailable, Unstorable: as `transaction`.
        """
        with _faults_translated():
            async with self._connection() as connection:
                await connection.execute(statement, *arguments)

    @asynccontextmanager
    async def _connection(self, *, reserved: bool = False) -> AsyncIterator[Transaction]:
        """One connection of the pool. If it is silent, the network may have lost all of them without closing any. Each
        would be waited for once, so the idle ones are cut."""
        if not self._pools:
            raise Unavailable("Postgres: the pool is closed")
        pool = self._pools[1 if reserved else 0]
        connection = await pool.acquire(timeout=_ACQUIRE_SECONDS)
        try:
            yield connection
        except TimeoutError:
            for each in self._pools:
                _cut_idle(each)
            raise
        finally:
            with suppress(asyncpg.PostgresError, *_CLIENT_FAULTS):
                await pool.release(connection, timeout=_FAREWELL_SECONDS)


async def _roll_back(connection: Transaction, transaction: asyncpg.transaction.Transaction) -> None:
    """Roll back, or cut the connection, which does the same: at once if the transaction never began, else if the
    server does not answer."""
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await transaction.rollback()
    except (asyncpg.PostgresError, *_CLIENT_FAULTS):
        with suppress(asyncpg.InterfaceError):
            connection.terminate()


async def _close(pool: "asyncpg.Pool[asyncpg.Record]", within_seconds: float) -> None:
    try:
        await asyncpg.compat.wait_for(pool.close(), within_seconds)
    except (TimeoutError, *_CLIENT_FAULTS):
        pool.terminate()


def _cut_idle(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """The pool's own way to expire connections takes leave of each, and waits in vain for an answer."""
    for holder in pool._holders:  # type: ignore[attr-defined]
        if holder.is_idle():
            holder.terminate()


@contextmanager
def _faults_translated() -> Iterator[None]:
    """Make our own errors of asyncpg's, and leave values out of what is ours to mend."""
    try:
        yield
    except Exception as error:
        if (known := _translate(error)) is not None:
            raise known from _cause(error)
        _forget_values(error)
        raise


def _translate(error: Exception) -> SluiceError | None:
    """What an error of asyncpg means here; nothing for a defect of ours."""
    if is_unavailable(error):
        return Unavailable(f"Postgres: {type(error).__name__}: {error}")
    if is_unstorable(error):
        return Unstorable(f"Postgres: {type(error).__name__}", by_content=_is_by_content(error))
    return None


def _is_by_content(error: Exception) -> bool:
    """What the client refuses has its reason as the cause; what the server refuses has a state."""
    state = str(getattr(error, "sqlstate", ""))
    is_refused_here = isinstance(error.__cause__ or error, (OverflowError, UnicodeEncodeError))
    return is_refused_here or state.startswith(_STATES_OF_CONTENT)


def _cause(error: Exception) -> Exception | None:
    """Errors that Postgres and its client raise because of a value repeat it, and causes are logged."""
    return None if is_unstorable(error) else error


def _forget_values(error: Exception) -> None:
    """The detail of a broken constraint repeats the whole row."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        error.detail = None
