"""What is fuzzed on its own: pure engines and protocols, each with what must hold of it whatever it is given.

A target is a function of `Draws`. It returns the outcome (compared between two runs of the same input, unless the target
says that it may differ) and raises what must not happen: an exception that an engine does not declare, or `Broken`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuzz.draws import Draws
from fuzz.targets.catalog import COVERS


class Broken(AssertionError):
    """A property that does not hold."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz; `catalog` says where it is and what it covers."""

    name: str
    run: Callable[[Draws], Any]
    seconds: float = 1.0
    """CPU seconds that one input may take, instrumented as it is: about five times what it takes otherwise."""
    repeatable: bool = True
    """Does the same input have the same outcome?"""
    prepare: Callable[[], Any] | None = None
    """Done once, before the first input."""
    longest: int = 2_048
    """Bytes of an input."""
    dictionary: tuple[str, ...] = ()
    """Words of the language, for the fuzzer to put in."""


def require(holds: Any, *said: Any) -> None:
    """Raise Broken where something does not hold."""
    if not holds:
        raise Broken(" ".join(map(repr, said))[:4_000])


def load_target(name: str) -> Target:
    """The target of that name."""
    module = importlib.import_module(f"fuzz.targets.{COVERS[name][0]}")
    found: Target = next(target for target in module.TARGETS if target.name == name)
    return found
