"""`python -m service keys create | list | revoke`: the keys of a store's database."""

import argparse
import sys
import time
from collections.abc import Sequence

import orjson

from service.access import KeyTable
from service.database import Database
from service.errors import Problem
from service.settings import Settings
from tcn.errors import ConfigError, TcnError


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; 2 is a user's mistake."""
    options = parser().parse_args(arguments)
    overrides = {} if options.store is None else {"store": options.store}
    try:
        table = KeyTable(Database(Settings.from_environment(overrides).database))
        try:
            run(table, options)
        finally:
            table.database.close()
    except (TcnError, Problem) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m service keys", description=__doc__)
    made.add_argument("--store", help="directory of the models (default models)")
    made.add_argument("--json", action="store_true", help="print JSON")
    commands = made.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and show it, this once")
    create.add_argument("--name", required=True, help="for whom or what it is")
    create.add_argument("--scope", choices=("read", "train", "admin"), default="read")
    create.add_argument("--days", type=float, help="days until it ends (default: never)")
    commands.add_parser("list", help="list all keys, without the keys themselves")
    revoke = commands.add_parser("revoke", help="end a key for good")
    revoke.add_argument("id", help="its id, as listed")
    return made


def run(table: KeyTable, options: argparse.Namespace) -> None:
    """Do what was asked for. Raises `ConfigError` for an impossible value."""
    if options.command == "create":
        _create(table, options)
    elif options.command == "list":
        _list(table, options)
    elif not table.revoke(options.id):
        raise ConfigError(f"There is no key {options.id!r}. `keys list` lists them.")


def _create(table: KeyTable, options: argparse.Namespace) -> None:
    if not 1 <= len(options.name) <= 64 or not options.name.isprintable():
        raise ConfigError("--name must have 1 to 64 printable characters.")
    if options.days is not None and not 0 < options.days <= 36_500:
        raise ConfigError(f"--days must be above 0 and at most 36,500, got {options.days:g}.")
    key_id, key = table.create(options.name, options.scope, options.days)
    if options.json:
        _print(orjson.dumps({"id": key_id, "key": key, "scope": options.scope}).decode())
        return
    _print(f"id   {key_id}\nkey  {key}")
    sys.stderr.write("The key is shown this once; only its hash is kept.\n")


def _list(table: KeyTable, options: argparse.Namespace) -> None:
    rows = [
        {
            "id": row.id,
            "name": row.name,
            "scope": row.scope,
            "created": _day(row.created_at),
            "expires": _day(row.expires_at),
            "status": "valid" if row.is_valid else "revoked" if row.revoked_at else "expired",
        }
        for row in table.listing()
    ]
    if options.json:
        _print(orjson.dumps(rows).decode())
        return
    for row in rows:
        _print("  ".join(f"{value or 'never'!s:<12}" for value in row.values()).rstrip())


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _day(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
