"""Configuration: flag, then variable FREEHOLD_*, then file (freehold.toml in the working directory), then default.

This is the only module that reads the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

FILE = "freehold.toml"
SEEDED_START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: where the clock of a seeded server stands when nobody names a time."""


class ConfigError(Exception):
    """A setting that cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """How one server runs. See docs/operations.md, which a test compares with this class."""

    port: int = 4566
    bind: str = "127.0.0.1"
    data: Path = Path(".freehold")
    store: str = ""
    blobs: str = ""
    ephemeral: bool = False
    guarded: bool = False
    region: str = "us-east-1"
    account: str = "000000000000"
    clock: str = "system"
    seed: int = 0
    drain: int = 0

    def check(self) -> None:
        """Refuse what contradicts itself. Raises ConfigError."""
        if not self.guarded and self.bind not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigError(
                f"Freehold in open mode accepts any credentials and therefore binds loopback only, not {self.bind}. "
                "Add --guarded to serve other machines."
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"The port must be between 0 and 65535, not {self.port}.")
        if not 0 <= self.drain <= 3600:
            raise ConfigError(f"The drain must be between 0 and 3600 seconds, not {self.drain}.")
        if not re.fullmatch(r"\d{12}", self.account, re.ASCII):
            raise ConfigError(f"The account must be 12 digits, not {self.account!r}.")
        if self.store and not self.store.startswith(("postgresql://", "postgres://")):
            raise ConfigError(
                "The store must be a URL like postgresql://user@host/database; without one it is in `data`."
            )
        if self.store and self.ephemeral:
            raise ConfigError("An ephemeral server keeps nothing: choose either --ephemeral or --store.")
        if self.blobs and self.ephemeral:
            raise ConfigError("An ephemeral server keeps nothing: choose either --ephemeral or --blobs.")
        if self.seed and self.guarded:
            raise ConfigError("A seed makes secrets guessable: it is for tests, not for a guarded server.")
        self.clock_start_ms()
        if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", self.region):
            raise ConfigError(f"The region must be a name like us-east-1, not {self.region!r}.")

    @property
    def manual(self) -> bool:
        """Does service time stand until it is advanced?"""
        return self.clock != "system"

    def clock_start_ms(self) -> int | None:
        """Where a manual clock begins on a new store, in ms since the epoch; None: at the real time.

        With a seed and no time it is always the same one, since ids may hold the time. Raises ConfigError.
        """
        if self.clock in ("system", "manual"):
            return SEEDED_START_MS if self.seed and self.manual else None
        try:
            at = datetime.fromisoformat(self.clock)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None or at.year < 2000:
            raise ConfigError(
                f"The clock must be system, manual, or the time at which it stands at first "
                f"(2026-01-01T00:00:00Z), not {self.clock!r}."
            )
        return round(at.timestamp() * 1000)


def load(flags: Mapping[str, Any]) -> Config:
    """The configuration from flags (None: not given), environment, file and defaults. Raises ConfigError."""
    from_file = _file(Path(FILE))
    values: dict[str, Any] = {}
    for field in fields(Config):
        name = field.name
        for source in (flags.get(name), os.environ.get(f"FREEHOLD_{name.upper()}"), from_file.get(name)):
            if source is not None:
                values[name] = _convert(name, source, type(field.default))
                break
    config = Config(**values)
    config.check()
    return config


def _file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from problem
    known = {field.name for field in fields(Config)}
    for name in found:
        if name not in known:
            raise ConfigError(f"{path} sets {name!r}, which is no setting. Settings: {', '.join(sorted(known))}.")
    return found


def _convert(name: str, value: Any, kind: type) -> Any:
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("1", "true", "yes", "on"):
            return True
        if str(value).lower() in ("0", "false", "no", "off", ""):
            return False
        raise ConfigError(f"{name} must be true or false, not {value!r}.")
    if kind is int:
        try:
            return int(value)
        except ValueError:
            raise ConfigError(f"{name} must be a number, not {value!r}.") from None
    return Path(value) if issubclass(kind, Path) else str(value)


def bare_environment() -> dict[str, str]:
    """The environment without settings of Freehold's and of AWS's: for a server that is somebody's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FREEHOLD_"))}


def endpoint() -> str:
    """The server that client commands talk to."""
    return os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566").rstrip("/")


def search_path() -> str:
    """Where programs are looked for."""
    return os.environ.get("PATH", os.defpath)
