"""The command `freehold`."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from typing import Any

from freehold import __version__
from freehold.node.config import Config, ConfigError, endpoint, load


def parser() -> argparse.ArgumentParser:
    """All commands and flags."""
    top = argparse.ArgumentParser(prog="freehold", description="The serverless cloud you own.")
    top.add_argument("--version", action="version", version=f"freehold {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run the platform until Ctrl-C")
    up.add_argument("--port", type=int, help="TCP port (default 4566; 0 takes a free one)")
    up.add_argument("--bind", metavar="ADDRESS", help="address to listen on (default 127.0.0.1)")
    up.add_argument("--data", metavar="DIR", help="directory for everything that lasts (default .freehold)")
    up.add_argument("--store", metavar="URL", help="keep the state in PostgreSQL (postgresql://...), not in --data")
    up.add_argument("--blobs", metavar="PLACE", help="directory or s3://bucket/prefix?endpoint=URL for what is large")
    up.add_argument("--ephemeral", action="store_const", const=True, help="keep nothing")
    up.add_argument("--guarded", action="store_const", const=True, help="verify signatures; needed beyond loopback")
    up.add_argument("--region", help="region of unsigned calls (default us-east-1)")
    up.add_argument("--account", help="account of unknown access keys (default 000000000000)")
    up.add_argument(
        "--clock", help="system; manual, or 2026-01-01T09:00:00Z: time stands until `freehold clock advance`"
    )
    clock = commands.add_parser("clock", help="say what time it is on the platform, or move a manual clock")
    clock.add_argument("action", nargs="?", choices=("advance",), help="advance: move it forward")
    clock.add_argument("duration", nargs="?", help="how far: 90s, 15m, 2h, 1d, or 1d12h")
    clock.add_argument("--until-quiet", action="store_true", help="stop at the last due time within it (default 1d)")
    up.add_argument("--seed", type=int, help="make ids and jitter reproducible, for tests (default 0: unguessable)")
    up.add_argument("--drain", type=int, help="seconds to go on serving when told to stop, while health says 503")
    commands.add_parser("env", help='print what points AWS tools here: eval "$(freehold env)"')
    services = commands.add_parser("services", help="list the operations that work")
    services.add_argument("--missing", action="store_true", help="list those that do not")
    deploy = commands.add_parser("deploy", help="package a SAM or CloudFormation template and deploy it")
    deploy.add_argument("template", nargs="?", default="template.yaml", help="template file or its directory")
    deploy.add_argument("--stack", help="name of the stack (default: the directory's name)")
    check = commands.add_parser("check", help="verify every invariant of a data directory that no server uses")
    check.add_argument("--data", metavar="DIR", help="the directory (default .freehold)")
    check.add_argument(
        "--store", metavar="URL", help="the state is in PostgreSQL: its rows, whether servers run or not"
    )
    check.add_argument("--blobs", metavar="PLACE", help="where its blobs are, if not in its data directory")
    snapshot = commands.add_parser("snapshot", help="copy an installation, running or not, into a new directory")
    snapshot.add_argument("directory", metavar="DIR", help="where to; must not be there yet")
    snapshot.add_argument("--data", metavar="DIR", help="the data directory (default: the running server's, .freehold)")
    snapshot.add_argument("--blobs", metavar="DIR", help="where the blobs of a stopped server are, if not in it")
    restore = commands.add_parser("restore", help="put a snapshot into an empty data directory and check it")
    restore.add_argument("snapshot", metavar="SNAPSHOT", help="a directory that `freehold snapshot` made")
    restore.add_argument("--data", metavar="DIR", help="where to (default .freehold)")
    for verb, told in (("export", "write all that one account owns into a file"), ("import", "bring in such a file")):
        moved = commands.add_parser(verb, help=told)
        if verb == "export":
            moved.add_argument("account", metavar="ACCOUNT", help="12 digits")
        moved.add_argument("file", metavar="FILE", help="it holds secrets: only its owner can read it")
        if verb == "import":
            moved.add_argument("--account", metavar="ACCOUNT", help="refuse a file of another account")
        moved.add_argument(
            "--data", metavar="DIR", help="the data directory (default: the running server's, .freehold)"
        )
        moved.add_argument("--store", metavar="URL", help="the state is in PostgreSQL, and no server runs")
        moved.add_argument("--passphrase-file", metavar="PATH", help="seal the file with the first line of this one")
    commands.add_parser("doctor", help="say what this host offers, what is missing, and how to get it")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; problems are one clear line on stderr and exit code 1."""
    flags = parser().parse_args(arguments)
    try:
        run(flags.command, vars(flags))
    except ConfigError as problem:
        _fail(str(problem))


def run(command: str, flags: dict[str, Any]) -> None:
    """Run `command`. Each command imports only what it needs, so that all start fast."""
    if command == "up":
        _up(flags)
    elif command == "env":
        _env()
    elif command == "services":
        from freehold.node.listing import print_services

        print_services(missing=flags["missing"])
    elif command == "deploy":
        _deploy(flags)
    elif command == "clock":
        _clock(flags)
    elif command == "check":
        _check(flags)
    elif command in ("snapshot", "restore"):
        _snapshot(command, flags)
    elif command in ("export", "import"):
        _account(command, flags)
    elif command == "doctor":
        from freehold.node.doctor import examine

        sys.exit(examine())


def _up(flags: dict[str, Any]) -> None:
    config = load(flags)
    gc.disable()  # until all is loaded: there is no garbage yet, and looking for it takes a tenth of the time to start
    sys.dont_write_bytecode = False  # a start takes half as long again when sources are compiled anew each time
    from freehold.node.server import CannotServe, up
    from freehold.store.base import StoreError
    from freehold.work.blobs import BlobError

    try:
        up(config)
    except (CannotServe, StoreError, BlobError) as problem:
        _fail(str(problem))


def _check(flags: dict[str, Any]) -> None:
    from freehold.node import checks
    from freehold.store.base import StoreError
    from freehold.work.blobs import BlobError

    config = load(flags)
    try:
        sys.exit(checks.command(config.data, store=config.store, place=config.blobs))
    except (StoreError, BlobError) as problem:
        _fail(str(problem))
    except ImportError as problem:
        _fail(f"PostgreSQL's driver is missing ({problem}): pip install 'freehold[postgres]'")


def _in_directory(config: Config) -> Config:
    """Refuse what is about a data directory where the state is elsewhere."""
    if config.store:
        raise ConfigError("The state is in PostgreSQL: back it up and check it there (docs/operations.md).")
    return config


def _snapshot(command: str, flags: dict[str, Any]) -> None:
    from pathlib import Path

    from freehold.node import snapshots
    from freehold.store.base import StoreError
    from freehold.work.snapshots import SnapshotError

    config = _in_directory(load(flags))
    try:
        if command == "restore":
            sys.exit(snapshots.restore(Path(flags["snapshot"]), config.data))
        named = flags["data"] is not None
        print(snapshots.snapshot(endpoint(), config, Path(flags["directory"]), data_named=named))
    except (SnapshotError, StoreError, OSError) as problem:
        _fail(str(problem))


def _account(command: str, flags: dict[str, Any]) -> None:
    from freehold.node.accounts import command as accounts
    from freehold.ports.accounts import AccountError
    from freehold.store.base import StoreError
    from freehold.work.blobs import BlobError

    account = flags.pop("account")
    config = load(flags)
    named = flags["data"] is not None or flags["store"] is not None
    try:
        secret = accounts.passphrase(flags["passphrase_file"])
        if command == "export":
            print(accounts.leave(endpoint(), config, account, flags["file"], secret, named=named))
        else:
            print(accounts.arrive(endpoint(), config, account, flags["file"], secret, named=named))
    except (AccountError, StoreError, BlobError, OSError) as problem:
        _fail(str(problem))


def _deploy(flags: dict[str, Any]) -> None:
    from freehold.node import deploy

    try:
        deploy.command(endpoint(), flags["template"], flags["stack"])
    except deploy.DeployError as problem:
        _fail(str(problem))


def _clock(flags: dict[str, Any]) -> None:
    from freehold.node import clock

    try:
        print(clock.command(endpoint(), flags["action"], flags["duration"], until_quiet=flags["until_quiet"]))
    except clock.ClockError as problem:
        _fail(str(problem))


def _env() -> None:
    """Guarded servers have no built-in key: there the credentials stay those that the environment has."""
    print(f"export AWS_ENDPOINT_URL={endpoint()}")
    print("export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1")
    if _is_guarded():
        print("# This server is guarded: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key of yours.")
    else:
        print("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")


def _is_guarded() -> bool:
    """What the server says of itself; no server is taken for an open one."""
    import json
    import urllib.request

    try:
        with urllib.request.urlopen(f"{endpoint()}/_freehold/health", timeout=1) as answer:
            return bool(json.load(answer).get("guarded"))
    except (OSError, ValueError):
        return False


def _fail(message: str) -> None:
    print(f"freehold: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
