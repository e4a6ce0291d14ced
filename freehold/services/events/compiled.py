"""Compiled buses: all rules of a bus in one index, in memory, kept in step with the store.

A compiled bus is good as long as the row of its bus is, byte for byte, the one it was compiled from: one read of one row
in the transaction that uses it. Where the row is another, the changes recorded since (rows.Change) tell which rules to
compile again; only what is too far behind, or was never seen, is compiled whole.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from freehold.rules.patterns import Index, Pattern, eventbridge
from freehold.services.events import archiving, model, rows
from freehold.services.events.names import DEFAULT, BusName
from freehold.services.events.targets import Target, compile_target
from freehold.store.base import ReadTx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

MOST = 512
"""Compiled buses in memory; the one that was compiled first makes room."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is enabled, with its targets."""

    bus: BusName
    name: str
    arn: str
    targets: tuple[Target, ...]


@dataclass(slots=True)
class CompiledBus:
    """The rules and archives of a bus as of one version of its row."""

    name: BusName
    raw: bytes | None = None
    id: str = ""
    number: int = 0
    token: str = ""
    index: Index = field(default_factory=Index)
    rules: dict[str, Rule] = field(default_factory=dict)
    archives: archiving.Archives | None = None
    """None where no archive keeps anything."""
    statements: list[dict[str, Any]] = field(default_factory=list)

    def matching(self, document: dict[str, Any]) -> list[Rule]:
        """The rules that an event matches, in the order of their names."""
        found, rules = self.index.match(document), self.rules
        if len(found) > 1:
            return [rules[name] for name in sorted(found)]
        return [rules[found.pop()]] if found else []


@lru_cache(maxsize=1024)
def pattern_of(text: str) -> Pattern:
    """The pattern of a text that PutRule accepted, or raises PatternError."""
    return eventbridge.read(text)


def rule_of(bus: BusName, row: model.Rule) -> Rule:
    """A rule ready to fire."""
    arn = bus.rule_arn(row.name)
    targets = tuple(compile_target(shown, arn, bus.account) for shown in row.targets.values())
    return Rule(bus, row.name, arn, targets)


def current(tx: ReadTx, platform: Platform, name: BusName) -> CompiledBus | None:
    """The bus as this transaction sees it; None where there is none. On the event loop only."""
    cache: dict[BusName, CompiledBus] = platform.own.setdefault("events", {})
    raw = tx.get(rows.bus_key(name))
    found = cache.get(name)
    if found is not None and found.raw == raw:
        return found
    if raw is None:
        return CompiledBus(name) if name.name == DEFAULT else None
    bus = rows.decode_bus(raw)
    if found is not None and found.id == bus.id and found.number > bus.number:
        return found  # a transaction that is being committed has seen more than this snapshot
    if found is None or found.id != bus.id or not _catch_up(tx, found, bus):
        found = _whole(tx, name)
    _keep(cache, found, raw, bus)
    return found


def forget(platform: Platform, name: BusName) -> None:
    """The bus has been deleted."""
    platform.own.get("events", {}).pop(name, None)


def known(platform: Platform, name: BusName) -> bool:
    """Is the bus compiled, if perhaps not in its last version?"""
    return name in platform.own.setdefault("events", {})


async def follow(platform: Platform, name: BusName) -> None:
    """Bring a bus that is known in step with a change of it, so that the next event finds nothing to do."""
    if known(platform, name):
        await platform.store.read(lambda tx: current(tx, platform, name))


async def warm(platform: Platform, name: BusName) -> None:
    """Compile a bus that is not known yet page by page, so that one with many rules does not hold up everybody else.

    Rules that change meanwhile are read in one state or the other; `current` then catches up from the first one.
    """
    turns: dict[BusName, asyncio.Lock] = platform.own.setdefault("events.warming", {})
    async with turns.setdefault(name, asyncio.Lock()):
        if not known(platform, name):
            raw = await platform.store.read(lambda tx: tx.get(rows.bus_key(name)))
            if raw is not None:
                await _warm(platform, name, raw)
    turns.pop(name, None)


async def _warm(platform: Platform, name: BusName, raw: bytes) -> None:
    bus, last = rows.decode_bus(raw), ""
    found = CompiledBus(name, archives=await platform.store.read(lambda tx: archiving.load(tx, name) or None))
    while page := await platform.store.read(partial(_page, name=name, last=last)):
        for row in page:
            _place(found, row.name, row)
        last = page[-1].name
        await asyncio.sleep(0)
    cache: dict[BusName, CompiledBus] = platform.own["events"]
    if name not in cache:
        _keep(cache, found, raw, bus)


def _page(tx: ReadTx, name: BusName, last: str) -> list[model.Rule]:
    return rows.rules(tx, name, start_after=last)


def _keep(cache: dict[BusName, CompiledBus], found: CompiledBus, raw: bytes, bus: model.Bus) -> None:
    if found.name not in cache and len(cache) >= MOST:
        del cache[next(iter(cache))]
    cache[found.name] = found
    found.raw, found.id, found.number, found.token = raw, bus.id, bus.number, bus.token
    found.statements = bus.statements


def _catch_up(tx: ReadTx, compiled: CompiledBus, bus: model.Bus) -> bool:
    """Compile what changed since; False where that is not known any more."""
    if bus.number - compiled.number >= rows.KEEP:
        return False
    changes = rows.changes(tx, compiled.name, compiled.number, bus.number)
    if len(changes) <= bus.number - compiled.number or changes[0].token != compiled.token:
        return False
    for name in {change.rule for change in changes[1:]}:
        if name is None:
            compiled.archives = archiving.load(tx, compiled.name) or None
        else:
            _place(compiled, name, rows.rule(tx, compiled.name, name))
    return True


def _whole(tx: ReadTx, name: BusName) -> CompiledBus:
    compiled = CompiledBus(name, archives=archiving.load(tx, name) or None)
    page = rows.rules(tx, name)
    while page:
        for row in page:
            _place(compiled, row.name, row)
        page = rows.rules(tx, name, start_after=page[-1].name)
    return compiled


def _place(compiled: CompiledBus, name: str, row: model.Rule | None) -> None:
    if row is None or not row.enabled or row.pattern is None:
        if compiled.rules.pop(name, None) is not None:
            compiled.index.remove(name)
        return
    compiled.rules[name] = rule_of(compiled.name, row)
    compiled.index.add(name, pattern_of(row.pattern))
