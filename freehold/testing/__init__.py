"""Freehold in tests: a server of one's own, an account per test, time under control.

    from freehold.testing import Freehold

    with Freehold() as cloud:
        queue = cloud.client("sqs").create_queue(QueueName="orders")["QueueUrl"]

With pytest (the plugin is loaded by itself): fixtures `freehold` and `freehold_clock`, see `freehold.testing.plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freehold.testing.server import Account, Clock, Freehold, StartError

__all__ = ["Account", "Clock", "Freehold", "StartError"]


def __getattr__(name: str) -> Any:
    """Loaded at first use: pytest loads the plugin in every session, also where nothing of Freehold is used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from freehold.testing import server

    return getattr(server, name)
