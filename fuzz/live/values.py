"""Values for members of a model: from what the server said before, from what the model allows, or almost."""

from __future__ import annotations

import json
import random
import string
from collections import defaultdict, deque
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

MAX_DEPTH = 6
REMEMBERED = 40
"""Values kept for each name of a member."""
PLAIN = string.ascii_letters + string.digits + "-_"
NAMES = ("fuzz", "fuzz.fifo", "orders", "a", "A" * 64, "x-1", "$LATEST", "$default", "default")
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
PATTERN = json.dumps({"source": ["fuzz", {"prefix": "a"}], "detail": {"n": [{"numeric": [">", 1]}]}})
TEMPLATE = json.dumps(
    {"Resources": {"Q": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}}}
)
DOCUMENTS = (POLICY, PATTERN, TEMPLATE, "{}", "[]", '"x"', "null", "rate(5 minutes)", "cron(0 12 * * ? *)", "$.a.b")
UNLIKELY = (
    "",
    " ",
    "\x00",
    "\ud7ff\ufffd",
    "é" * 300,
    "../../etc/passwd",
    "a" * 70_000,
    "arn:aws:sqs:us-east-1:000000000000:fuzz",
    "arn:",
    "{" * 2_000,
    "[" * 2_000,
    "%s%n%x",
    "' OR 1=1 --",
    "1e400",
    "-0",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "*" * 50,
    "[" * 300 + "]" * 300,
    '{"a":' * 600 + "1" + "}" * 600,
    '{"source": [{"wildcard": "' + "*a" * 40 + '"}]}',
    "9" * 5_000,
    '{"a": ' + "9" * 5_000 + "}",
    '"\\ud800"',
)
NUMBERS = (0, 1, -1, 2, 10, 255, 2**31, -(2**31), 2**53 + 1, 2**63, 10**30, 0.5, -1.5, 1e300)
SMALL = {"WaitTimeSeconds": (0, 1), "Timeout": (1, 3), "MemorySize": (128, 256), "MaxResults": (1, 50)}
"""Members whose larger values only make the server wait."""


class Memory:
    """What the server's answers named, by service and member: ids, ARNs, URLs, tokens, for requests to find something."""

    def __init__(self) -> None:
        self._values: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def learn(self, answer: Any, name: str = "", *, service: str = "") -> None:
        """Keep the scalars of an answer, or of a request that was answered."""
        if isinstance(answer, dict):
            for key, value in answer.items():
                if key != "ResponseMetadata":
                    self.learn(value, str(key), service=service)
        elif isinstance(answer, list):
            for value in answer[:5]:
                self.learn(value, name.removesuffix("s"), service=service)
        elif isinstance(answer, (str, int)) and not isinstance(answer, bool) and 0 < len(str(answer)) < 2_000:
            for place in self._places(name, service, answer):
                kept = self._values[place]
                if answer not in kept:
                    kept.append(answer)

    @staticmethod
    def _places(name: str, service: str, value: Any) -> list[str]:
        found = [name.lower(), f"{service}:{name.lower()}"]
        text = str(value)
        if text.startswith("arn:") and text.count(":") >= 5:
            found.append("arn:" + text.split(":")[2])
            found.append("arn")
        return found

    def recall(self, name: str, seeded: random.Random, service: str = "") -> Any:
        """A value that a member of this name (or of this kind) had, of this service if there is one; or None."""
        lower = name.lower()
        places = [f"{service}:{lower}", lower]
        if lower.endswith(("arn", "arns", "resource", "identifier")):
            places += [f"arn:{service}", "arn"]
        if lower in ALIASES:
            places += [f"{service}:{alias}" for alias in ALIASES[lower]]
        for place in places:
            kept = self._values.get(place)
            if kept and seeded.random() < 0.8:
                return seeded.choice(list(kept))
        return None


ALIASES = {
    "name": ("queuename", "rulename", "tablename", "groupname", "rule", "logstreamname"),
    "id": ("apiid", "restapiid"),
    "names": ("name",),
    "functionname": ("functionarn", "functionname"),
    "groupname": ("name",),
    "eventbusname": ("name",),
    "rule": ("name",),
    "nexttoken": ("nexttoken", "token"),
    "restapiid": ("id",),
    "resourceid": ("id",),
    "parentid": ("id",),
    "loggroupidentifier": ("loggrouparn",),
    "copysource": ("key",),
    "startingtoken": ("nexttoken",),
}
"""Members that take what other members of the service are called."""


class Values:
    """Makes inputs of operations. The same seed and the same answers make the same inputs."""

    def __init__(self, seeded: random.Random, memory: Memory) -> None:
        self._seeded, self._memory = seeded, memory
        self.service = ""
        """Whose operation the next input is for."""

    def structure(self, shape: StructureShape, depth: int = 0) -> dict[str, Any]:
        """Required members, and some of the others."""
        seeded, made = self._seeded, {}
        few = seeded.choice((0.0, 0.2, 0.5)) if depth == 0 else 0.3
        for name, member in shape.members.items():
            if name in shape.required_members or (depth < MAX_DEPTH and seeded.random() < few):
                made[name] = self.value(name, member, depth + 1)
        if getattr(shape, "is_tagged_union", False) and len(made) > 1:
            kept = seeded.choice(sorted(made))
            made = {kept: made[kept]}
        return made

    def value(self, name: str, shape: Shape, depth: int) -> Any:
        """A value that the model allows (patterns apart, mostly)."""
        seeded = self._seeded
        if isinstance(shape, StructureShape):
            return self.structure(shape, depth) if depth < MAX_DEPTH else {}
        if isinstance(shape, ListShape):
            many = seeded.choice((0, 1, 1, 1, 2, 3)) if depth < MAX_DEPTH else 0
            many = max(many, shape.metadata.get("min", 0))
            return [self.value(name.removesuffix("s"), shape.member, depth + 1) for _ in range(many)]
        if isinstance(shape, MapShape):
            return {
                str(self.value(name, shape.key, depth + 1)): self.value(name, shape.value, depth + 1)
                for _ in range(seeded.choice((0, 1, 2)))
            }
        if isinstance(shape, StringShape):
            return self._text(name, shape)
        if shape.type_name in ("integer", "long"):
            low, high = SMALL.get(name, (shape.metadata.get("min", 0), shape.metadata.get("max", 100)))
            return seeded.randint(low, max(low, min(high, low + 1_000)))
        if shape.type_name in ("float", "double"):
            return seeded.random() * 100
        if shape.type_name == "boolean":
            return seeded.random() < 0.5
        if shape.type_name == "timestamp":
            return seeded.choice((0, 1_700_000_000, 1_767_225_600, 4_000_000_000))
        if shape.type_name == "blob":
            return seeded.choice((b"", b"{}", b"fuzz", bytes(range(256))))
        return None

    def _text(self, name: str, shape: StringShape) -> str:
        seeded = self._seeded
        if shape.enum:
            return seeded.choice(shape.enum)
        known = self._memory.recall(name, seeded, self.service)
        if known is not None and seeded.random() < 0.8:
            return str(known)
        low, high = shape.metadata.get("min", 1), shape.metadata.get("max", 64)
        choice = seeded.random()
        if choice < 0.4:
            text = seeded.choice(NAMES)
        elif choice < 0.6:
            text = seeded.choice(DOCUMENTS)
        else:
            text = "".join(seeded.choices(PLAIN, k=seeded.randint(max(1, low), max(1, min(high, low + 20)))))
        return text[:high].ljust(low, "x")


def broken(value: dict[str, Any], seeded: random.Random) -> dict[str, Any]:
    """The input with one thing in it that is wrong: another type, out of range, missing, unlikely text, one too many."""
    places = list(_places(value, ()))
    if not places:
        return {"Surprise": seeded.choice(UNLIKELY)}
    place = seeded.choice(places)
    replaced: dict[str, Any] = _replaced(value, place, seeded)
    return replaced


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _places(each, (*path, index))


def _replaced(value: Any, path: tuple[Any, ...], seeded: random.Random) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    first, *rest = path
    if rest:
        copy[first] = _replaced(copy[first], tuple(rest), seeded)
        return copy
    old, choice = copy[first], seeded.random()
    if choice < 0.15:
        del copy[first]
    elif choice < 0.3 and isinstance(old, list):
        copy[first] = (old or ["x"]) * 200
    elif isinstance(old, str):
        copy[first] = seeded.choice((*UNLIKELY, old * 2, old[:-1], old + "\n", seeded.choice(NUMBERS), None, [old], {}))
    elif isinstance(old, (int, float)):
        copy[first] = seeded.choice((*NUMBERS, "x", "", None, [], {}, True))
    else:
        copy[first] = seeded.choice((None, "x", 1, [], {}, [[]], {"a": {}}, True))
    return copy
