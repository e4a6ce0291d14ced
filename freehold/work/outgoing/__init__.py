"""Outgoing HTTP: requests that leave Freehold for an address that somebody chose."""

from freehold.work.outgoing.pool import MAX_ANSWER, Answered, Outgoing, Pool, Unreached

__all__ = ["MAX_ANSWER", "Answered", "Outgoing", "Pool", "Unreached"]
