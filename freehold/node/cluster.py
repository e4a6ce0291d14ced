"""Who works on the store: GET /_freehold/cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.ports.platform import Platform


async def describe(platform: Platform, query: Mapping[str, str]) -> Any:
    """The nodes that live, and the id of the node that does each duty; of a server that has its store alone, itself."""
    members = platform.duties.members
    duties = {} if members.alone else await platform.duties.describe()
    return {"shared": not members.alone, "members": members.describe(), "duties": duties}
