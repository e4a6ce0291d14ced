"""Recursive loops: how often each function ran already in the chain of events that led here. Pure.

The lineage of an event travels in its X-Ray trace header, traced or not: `Lineage=1:fe460cdd:0` (seen in AWS's own SQS
messages) names a function by a hash and says how often it had run before. A function's SDK passes its header on, SQS keeps
it as AWSTraceHeader, SNS and S3 hand it to the next function; so a chain that comes back to a function finds its count.
("Use Lambda recursive loop detection to prevent infinite loops": an event that makes a function run more than 16 times is
stopped.)

Whoever has a function invoked only passes the header of the event on, as `Invocation.trace_header`: the engine enters the
function into it (`entered`), counts, and refuses with RecursiveInvocationException. A batch of events has one header:
`deepest` chooses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

MOST = 16
"""Runs of one function in one chain of events."""
_FIELD = "Lineage="
_KEPT = 32
"""Functions that a lineage names at most: a longer chain forgets its oldest."""


@lru_cache(maxsize=1_024)
def hash_of(function_arn: str) -> str:
    """The eight digits by which a lineage knows a function; the version that runs does not matter."""
    return hashlib.sha256(function_arn.encode()).hexdigest()[:8]


def lineage(header: str | None) -> dict[str, int]:
    """Earlier runs by function hash, in the order of their first; whatever is malformed counts nothing."""
    if header is None:
        return {}
    at = header.find(_FIELD)
    if at < 0:
        return {}
    counts: dict[str, int] = {}
    text = header[at + len(_FIELD) :].partition(";")[0].replace("%7C", "|").replace("%3A", ":")
    for part in text.split("|"):
        name, _, count = part.rpartition(":")
        name = name.rpartition(":")[2]
        if len(name) == 8 and count.isdecimal() and len(count) < 6:
            counts[name] = int(count)
    return counts


def runs(header: str | None, function_arn: str) -> int:
    """How often the function has run before in the chain that `header` comes from."""
    counts = lineage(header)
    earlier = counts.get(hash_of(function_arn))
    return 0 if earlier is None else earlier + 1


def entered(header: str | None, function_arn: str) -> tuple[str, int]:
    """(the header that the function gets and passes on, how often it had run before in this chain)."""
    name = hash_of(function_arn)
    if header is None or _FIELD not in header:
        own = f"{_FIELD}1:{name}:0"
        return (f"{header};{own}" if header else own), 0
    counts = lineage(header)
    earlier = counts.pop(name, None)
    counts[name] = count = 0 if earlier is None else earlier + 1
    shown = list(counts.items())[-_KEPT:]
    text = "|".join(f"{each}:{number}" for each, number in shown)
    return f"{without(header)};{_FIELD}1:{text}".lstrip(";"), count


def without(header: str) -> str:
    """The header without its lineage, as it goes on by services in whose loops Lambda sees nothing (EventBridge)."""
    return ";".join(part for part in header.split(";") if part and not part.startswith(_FIELD))


def deepest(headers: Iterable[str | None], function_arn: str) -> str | None:
    """Of the headers of a batch's events, that with which the function ran most often; None where none has one."""
    best: str | None = None
    most = -1
    for header in headers:
        if header and (count := runs(header, function_arn)) > most:
            best, most = header, count
    return best
