"""Freehold in tests: a server of one's own, an account per test, time under control.

    from freehold.testing import Freehold

    with Freehold() as cloud:
        queue = cloud.client("sqs").create_queue(QueueName="orders")["QueueUrl"]

With pytest (the plugin is loaded by itself): fixtures `freehold` and `freehold_clock`, see `freehold.testing.plugin`.
"""

from freehold.testing.server import Account, Clock, Freehold, StartError

__all__ = ["Account", "Clock", "Freehold", "StartError"]
