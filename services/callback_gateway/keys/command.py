"""The operator's command for API keys, on the gateway's own database: whoever may log in there may make keys.

python -m services.callback_gateway keys create --name ci --scope jobs:read --scope jobs:write
python -m services.callback_gateway keys list
python -m services.callback_gateway keys revoke ID
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence

from services.callback_gateway.keys import store
from services.callback_gateway.keys.key import SCOPES, make_key
from services.callback_gateway.settings import Settings
from shared.database.pool import Database, Row, Transaction
from shared.errors import SluiceError
from shared.runtime.service import open_runtime
from shared.runtime.settings import read_settings

Work = Callable[[Transaction], Awaitable[str]]


def run_keys(arguments: Sequence[str]) -> None:
    """Run the command; exit code 2 for what cannot be done."""
    given = _parser().parse_args(arguments)
    try:
        print(asyncio.run(_inside(_work(given))))
    except SluiceError as error:
        print(f"keys: {error}", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.callback_gateway keys", description="API keys")
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("--name", required=True, help="whose it is")
    create.add_argument("--scope", required=True, action="append", choices=SCOPES, help="what it is for; repeatable")
    actions.add_parser("list", help="show all keys, not their secrets")
    actions.add_parser("revoke", help="end a key, within a second").add_argument("id")
    return parser


def _work(given: argparse.Namespace) -> Work:
    match given.action:
        case "create":
            return lambda tx: _create(tx, given.name, frozenset(given.scope))
        case "revoke":
            return lambda tx: _revoke(tx, given.id)
        case _:
            return _list


async def _inside(work: Work) -> str:
    database: Database = open_runtime("callback-gateway", read_settings(Settings)).database
    await database.open()
    try:
        async with database.transaction() as tx:
            return await work(tx)
    finally:
        await database.close()


async def _create(tx: Transaction, name: str, scopes: frozenset[str]) -> str:
    text, key = make_key(name, scopes, secrets.token_bytes)
    await store.insert_key(tx, key)
    return text


async def _revoke(tx: Transaction, key_id: str) -> str:
    if not await store.revoke_key(tx, key_id):
        raise SluiceError(f"there is no key {key_id} in force")
    return f"revoked {key_id}"


async def _list(tx: Transaction) -> str:
    return "\n".join(map(_line, await store.list_keys(tx))) or "no keys"


def _line(row: Row) -> str:
    moments = (row[name] for name in ("created_at", "used_at", "revoked_at"))
    times = [f"{moment:%Y-%m-%d %H:%M}" if moment else "never" for moment in moments]
    said = "made {}, used {}, revoked {}".format(*times)
    return f"{row['id']}  {row['name']}  {' '.join(row['scopes'])}  {said}"
