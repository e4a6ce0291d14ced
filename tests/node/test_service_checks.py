"""`freehold check` of every service: each invariant is broken on purpose, one row at a time, and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.kit.tuples import pack, unpack
from freehold.node.assemble import manifests
from freehold.services.lambda_.asynchronous import events
from tests.node.furnished_services import furnish
from tests.node.test_checks import Broken, Change, copy_of, found

SPACE = ("000000000000", "us-east-1")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a server that did a little of everything and was killed."""
    directory = tmp_path_factory.mktemp("check") / "data"
    furnish(directory)
    yield directory


def edit(*parts: str | None, **members: Any) -> Change:
    """Give members of the first row below `parts` other values: of a function, what it makes of the old one."""

    def change(broken: Broken) -> None:
        key, raw = broken.first(*parts)
        row = msgspec.msgpack.decode(raw)
        for name, value in members.items():
            row[name] = value(row[name]) if callable(value) else value
        broken.put(key, msgspec.msgpack.encode(row))

    return change


def drop(*parts: str | None) -> Change:
    return lambda broken: broken.drop(*parts)


def garble(*parts: str | None) -> Change:
    return lambda broken: broken.garble(*parts)


def rename(*parts: str) -> Change:
    """The first row below `parts` lies under another name."""

    def change(broken: Broken) -> None:
        key, raw = broken.first(*parts)
        broken.drop(*parts)
        broken.put(pack(*unpack(key)[:-1], "elsewhere"), raw)

    return change


def stray(*parts: str) -> Change:
    return lambda broken: broken.put(pack(*parts), msgspec.msgpack.encode({}))


def pipe_in_transition(broken: Broken) -> None:
    edit("pipes", "pipe", state="CREATING")(broken)


def mailbox(broken: Broken) -> None:
    key, _ = broken.first("sns", *SPACE, "mn")
    broken.put(key, (99).to_bytes(8, "big"))


def expansion(broken: Broken) -> None:
    broken.put(pack("sns", "x", "topic", "group", "message"), b"")


def execution(broken: Broken) -> None:
    row = {
        "account": SPACE[0],
        "region": SPACE[1],
        "group": "g",
        "name": "n",
        "generation": "g",
        "scheduled_ms": 1,
        "target": b"{}",
        "id": "id",
    }
    broken.put(pack("scheduler", *SPACE, "run", "id"), msgspec.msgpack.encode(row))


def tally(broken: Broken) -> None:
    key, _ = broken.first("events", *SPACE, "tally")
    broken.put(key, msgspec.msgpack.encode([9, 9]))


def lost_change(broken: Broken) -> None:
    key, raw = broken.first("events", *SPACE, "change", "bus")
    broken.put(key, raw)
    broken.drop("events", *SPACE, "change", "bus")


def lost_event(broken: Broken) -> None:
    broken.drop("cloudformation", *SPACE, "e")


def without_deployment(broken: Broken) -> None:
    broken.clear("apigateway", *SPACE, "rest-deployment")


def event(shard: int, payload: bytes | None) -> Change:
    """An event in some lane of a function; its payload lies beside it where it is None."""

    def change(broken: Broken) -> None:
        row = [*SPACE, "function", "", "id", payload, 1]
        at = (events.shard_of(*SPACE, "function") + shard) % events.SHARDS
        broken.put(pack("lambda", "event", at, *SPACE, "function", 1, "id"), msgspec.msgpack.encode(row))

    return change


def payload_of_nothing(broken: Broken) -> None:
    broken.put(pack("lambda", "event-payload", *SPACE, "function", "id"), b"x")


CASES: dict[str, tuple[Change, str]] = {
    "ssm: parameter": (garble("ssm", *SPACE, "p"), "cannot be read"),
    "ssm: version": (drop("ssm", *SPACE, "v", "/a/b"), "has versions 2 to 3"),
    "ssm: current version": (drop("ssm", *SPACE, "v", "secret"), "has versions none"),
    "ssm: versions of none": (drop("ssm", *SPACE, "p"), "belong to no parameter"),
    "ssm: label": (edit("ssm", *SPACE, "p", labels={"label": 7}), "its label label is of version 7"),
    "ssm: name": (edit("ssm", *SPACE, "p", name="x"), "is called"),
    "ssm: kind": (stray("ssm", *SPACE, "zz", "x"), "unknown kind"),
    "iam: key": (drop("iam", "", "key"), "not there or somebody else's"),
    "iam: user": (drop("iam", SPACE[0], "user"), "who does not have it"),
    "iam: member": (edit("iam", SPACE[0], "user", groups=[]), "who does not know of it"),
    "iam: group": (edit("iam", SPACE[0], "group", members=[]), "which does not know of it"),
    "iam: attachments": (edit("iam", SPACE[0], "policy", attached=4), "counts attachments: 4"),
    "iam: policy": (drop("iam", SPACE[0], "policy"), "is attached to something"),
    "iam: default version": (edit("iam", SPACE[0], "policy", default="v9"), "has no version v9"),
    "iam: role of a profile": (drop("iam", SPACE[0], "role", "pipes"), "has role pipes, which is not there"),
    "iam: name": (rename("iam", SPACE[0], "group"), "cannot be found by its name"),
    "iam: record": (garble("iam", SPACE[0], "role"), "cannot be read"),
    "iam: kind": (stray("iam", SPACE[0], "zz", "x"), "unknown kind"),
    "sns: version": (drop("sns", *SPACE, "v", "topic"), "nothing can be published to it"),
    "sns: topic": (drop("sns", *SPACE, "t", "topic"), "belong to no topic, and nothing removes them"),
    "sns: subscription": (drop("sns", "s"), "counts subscriptions: 2, but there are 1"),
    "sns: endpoint": (drop("sns", "e"), "is not found by its endpoint"),
    "sns: owner": (drop("sns", *SPACE, "o"), "is not among those of its owner"),
    "sns: token": (drop("sns", "k"), "waits for a confirmation that cannot come"),
    "sns: end of a token": (drop("timer", "by", "sns.invitations"), "will be asked for without end"),
    "sns: pending": (edit("sns", *SPACE, "t", "topic", pending=0), "wait for confirmation: 0"),
    "sns: filters": (edit("sns", *SPACE, "t", "topic", filters=9), "counts filter policies: 9"),
    "sns: deduplication": (drop("timer", "by", "sns.deduplication"), "will never be forgotten"),
    "sns: sequence": (garble("sns", "q"), "cannot be read"),
    "sns: device token": (drop("sns", *SPACE, "pt"), "is not found by its device token"),
    "sns: endpoint of a token": (drop("sns", *SPACE, "p"), "of that device token is not there"),
    "sns: mailbox": (mailbox, "but counts 99"),
    "sns: expansion": (expansion, "but nothing makes them"),
    "sns: kind": (stray("sns", *SPACE, "zz", "x"), "unknown kind"),
    "events: rule": (garble("events", *SPACE, "rule"), "cannot be read"),
    "events: pattern": (edit("events", *SPACE, "rule", "bus", pattern="{"), "the pattern of rule"),
    "events: name of a rule": (rename("events", *SPACE, "rule", "bus"), "cannot be found by its name"),
    "events: target": (edit("events", *SPACE, "rule", "bus", targets={"1": {}}), "is not what its id says"),
    "events: bus": (drop("events", *SPACE, "bus", "bus"), "which is not there"),
    "events: change": (lost_change, "which are not its last ones"),
    "events: version": (edit("events", *SPACE, "bus", "bus", token="x"), "it would serve old rules"),
    "events: schedule": (drop("events", *SPACE, "schedule"), "does not stand among those that do"),
    "events: timer": (drop("timer", "by", "events.schedules"), "but no timer wakes for it"),
    "events: rule of a schedule": (drop("events", *SPACE, "rule", "default"), "no rule fires at these times"),
    "events: archive": (drop("events", *SPACE, "archive"), "belong to no archive"),
    "events: archive of a bus": (drop("events", *SPACE, "archives of"), "nothing reaches it"),
    "events: retention": (drop("timer", "by", "events.retain"), "but nothing removes them"),
    "events: tally": (tally, "counts events and bytes: (9, 9)"),
    "events: kept event": (drop("events", *SPACE, "kept"), "counts events and bytes"),
    "events: replay": (drop("timer", "by", "events.replay"), "nothing goes on with it"),
    "events: connection": (rename("events", *SPACE, "connection"), "cannot be found by its name"),
    "scheduler: schedule": (garble("scheduler", *SPACE, "s"), "cannot be read"),
    "scheduler: target": (drop("scheduler", *SPACE, "t"), "has no target"),
    "scheduler: due": (drop("scheduler", *SPACE, "due"), "does not stand in the order of due times"),
    "scheduler: timer": (drop("timer", "by", "scheduler"), "but no timer wakes for it"),
    "scheduler: group": (drop("scheduler", *SPACE, "g", "group"), "its group is not there"),
    "scheduler: deletion": (edit("scheduler", *SPACE, "g", "group", state="DELETING"), "is being deleted, but by nobody"),
    "scheduler: execution": (execution, "nothing carries it out"),
    "scheduler: name": (rename("scheduler", *SPACE, "s"), "cannot be found by its name"),
    "pipes: pipe": (garble("pipes", "pipe"), "cannot be read"),
    "pipes: transition": (pipe_in_transition, "nobody works on it: it stays so"),
    "pipes: state": (edit("pipes", "pipe", state="DANCING"), "which is no state"),
    "pipes: work": (stray("pipes", "work", *SPACE, "none"), "there is no such pipe"),
    "pipes: name": (rename("pipes", "pipe"), "cannot be found by its name"),
    "apigateway: id": (drop("apigateway", "id"), "cannot be invoked"),
    "apigateway: version": (drop("apigateway", "version"), "would never be renewed"),
    "apigateway: draft": (drop("apigateway", *SPACE, "http"), "ids of APIs: 2, but there are 1"),
    "apigateway: deployment": (without_deployment, "serves deployment"),
    "apigateway: API of a stage": (drop("apigateway", *SPACE, "rest"), "which is not there"),
    "apigateway: integration": (edit("apigateway", *SPACE, "http", integrations={}), "goes to integration"),
    "apigateway: parent": (
        edit("apigateway", *SPACE, "rest", resources=lambda old: {k: v for k, v in old.items() if "parentId" in v}),
        "is below",
    ),
    "cloudformation: stack": (drop("cloudformation", *SPACE, "s"), "which is not there"),
    "cloudformation: name": (drop("cloudformation", *SPACE, "n", "first"), "cannot be found by its name"),
    "cloudformation: work": (
        lambda b: edit_stack(b, "first", status="UPDATE_IN_PROGRESS"),
        "but nothing works on it: it stays so",
    ),
    "cloudformation: template": (lambda b: b.clear("cloudformation", *SPACE, "t"), "has lost its template"),
    "cloudformation: resource": (
        lambda b: edit("cloudformation", *SPACE, "r", uid_of(b, "first"), status="CREATE_IN_PROGRESS")(b),
        "is CREATE_IN_PROGRESS",
    ),
    "cloudformation: outputs": (drop("cloudformation", *SPACE, "x"), "but its outputs say ['exported']"),
    "cloudformation: import": (drop("cloudformation", *SPACE, "x"), "that export is not there"),
    "cloudformation: event": (lost_event, "are not there"),
    "cloudformation: change set": (drop("cloudformation", *SPACE, "ci"), "cannot be found by its ARN"),
    "cloudformation: ARN of a change set": (drop("cloudformation", *SPACE, "c"), "that change set is not there"),
    "cloudformation: retention": (drop("timer", "by", "cloudformation"), "nothing will forget it"),
    "lambda: version": (drop("lambda", *SPACE, "v", "function"), "has no $LATEST"),
    "lambda: stamp": (drop("lambda", *SPACE, "g"), "would never be renewed"),
    "lambda: alias": (edit("lambda", *SPACE, "a", version=9), "is of version 9, which is not there"),
    "lambda: last version": (edit("lambda", *SPACE, "f", last_version=0), "says that 0 is the last"),
    "lambda: reserved": (drop("lambda", *SPACE, "c"), "has reserved concurrency"),
    "lambda: function": (drop("lambda", *SPACE, "f"), "belongs to a function that is not there"),
    "lambda: url": (drop("lambda", "url"), "nothing is found at that URL"),
    "lambda: owner of a url": (drop("lambda", *SPACE, "u"), "leads to a function URL that is not there"),
    "lambda: layer": (drop("lambda", *SPACE, "n"), "its layer says that 0 is its last version"),
    "lambda: policy of a layer": (drop("lambda", *SPACE, "l"), "is the policy of a layer version"),
    "lambda: mapping": (drop("lambda", "mapping"), "sources mapped to functions: 1"),
    "lambda: source": (drop("lambda", "mapped"), "is not the one of its source and function"),
    "lambda: payload": (event(0, None), "has lost its payload"),
    "lambda: event": (payload_of_nothing, "payloads of events: 1"),
    "lambda: lane": (event(1, b"{}"), "does not lie in the lane"),
    "lambda: kind": (stray("lambda", *SPACE, "zz", "x"), "unknown kind"),
}  # fmt: skip


def uid_of(broken: Broken, name: str) -> str:
    return broken.first("cloudformation", *SPACE, "n", name)[1].decode()


def edit_stack(broken: Broken, name: str, **members: Any) -> None:
    edit("cloudformation", *SPACE, "s", uid_of(broken, name), **members)(broken)


def test_what_a_server_leaves_is_sound(sound: Path) -> None:
    assert found(sound) == []


@pytest.mark.parametrize("name", CASES)
def test_each_broken_invariant_is_one_line_of_its_service(sound: Path, tmp_path: Path, name: str) -> None:
    change, expected = CASES[name]
    broken = copy_of(sound, tmp_path)
    change(broken)
    broken.database.close()
    lines = found(broken.directory)
    service = name.partition(":")[0]
    assert any(expected in line and line.startswith(f"broken: {service}: ") for line in lines), lines
    assert all("\n" not in line for line in lines)


def test_every_service_with_rows_has_a_check() -> None:
    assert {m.model for m in manifests() if m.check is None} == {"sts", "apigatewayv2"}, (
        "their rows are iam's, apigateway's"
    )
