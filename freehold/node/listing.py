"""`freehold services`: which operations work, from the handlers themselves."""

from __future__ import annotations

from freehold.front.control import services
from freehold.front.offer import Offer
from freehold.node.assemble import manifests


def print_services(*, missing: bool) -> None:
    """Print the operations of each service that work, or those that are missing."""
    found = services(Offer(manifests()))
    for name in sorted(found):
        works, lacks = found[name]["works"], found[name]["missing"]
        print(f"{name}: {len(works)} of {len(works) + len(lacks)} operations work")
        for operation in lacks if missing else works:
            print(f"  {operation}")
