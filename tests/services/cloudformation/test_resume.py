"""Operations that a crash cuts off anywhere are taken up again and end as they would have."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.ports.resources import Physical
from freehold.services.cloudformation import context, made
from freehold.services.cloudformation.engine import engine
from tests.services.cloudformation.support import Cloud
from tests.services.cloudformation.things import Request, thing


class Crash(BaseException):
    """The process is gone."""


class Dying:
    """A store that lets a number of transactions commit, and then the process dies."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.left = 1 << 30

    async def transact(self, body: Any, **options: Any) -> Any:
        if self.left <= 0:
            raise asyncio.CancelledError
        self.left -= 1
        return await self._store.transact(body, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


TEMPLATE: Request = {
    "Resources": {
        "A": thing(Color="red"),
        "B": thing(Color={"Fn::GetAtt": ["A", "Color"]}, Shape={"Ref": "A"}),
        "C": thing(Shape="x"),
    },
    "Outputs": {"O": {"Value": {"Ref": "B"}, "Export": {"Name": "e"}}},
}
CHANGED: Request = {
    "Resources": {
        "A": thing(Color="blue"),
        "B": TEMPLATE["Resources"]["B"],
        "C": thing(Shape="y"),
        "D": thing(),
    },
    "Outputs": TEMPLATE["Outputs"],
}
FAILING: Request = {
    **CHANGED,
    "Resources": {**CHANGED["Resources"], "Z": {**thing(Color="mauve"), "DependsOn": ["A", "B", "C", "D"]}},
}


def no_mauve(operation: str, request: Request) -> Fault | None:
    return Fault("ValidationException", "no mauve") if request.get("Color") == "mauve" else None


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of a lost CreateThing can be read back."""
    monkeypatch.setitem(made._READ_BACK, ("things", "CreateThing"), ("things", "GetThing", ("Name",), lambda a: a))


async def crash_after(cloud: Cloud, commits: int, begin: Any) -> Cloud:
    """Run `begin`, die after a number of commits of the operation it begins, and start again on the same rows."""
    dying = Dying(cloud.store)
    cloud.platform.store = dying
    real, armed = engine(cloud.platform).start, []

    def start(*arguments: Any, **options: Any) -> None:
        dying.left = commits
        armed.append(True)
        real(*arguments, **options)

    engine(cloud.platform).start = start  # type: ignore[method-assign]
    try:
        await begin(cloud)
    except asyncio.CancelledError:
        pass
    assert armed
    await cloud.platform.tasks.close()
    again = Cloud(cloud.store, cloud.things)
    again.refuse = cloud.refuse
    await engine(again.platform).resume()
    for task in list(engine(again.platform)._tasks.values()):
        await task
    return again


def colors(cloud: Cloud) -> list[tuple[str, Any]]:
    return sorted(
        (name.split("-")[1], value.get("Color") or value.get("Shape")) for name, value in cloud.things.items()
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 16))
def test_a_create_is_completed(commits: int) -> None:
    async def main() -> None:
        cloud = await crash_after(Cloud(), commits, lambda cloud: cloud.create("s", TEMPLATE))
        stack = await cloud.done("s")
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert colors(cloud) == [("A", "red"), ("B", "red"), ("C", "x")]
        await cloud.history("s")
        await cloud.delete("s")
        assert cloud.things == {}
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 16))
def test_an_update_is_completed(commits: int) -> None:
    async def main() -> None:
        cloud = Cloud()
        await cloud.create("s", TEMPLATE)
        cloud = await crash_after(cloud, commits, lambda cloud: cloud.update("s", CHANGED))
        assert (await cloud.done("s"))["StackStatus"] == "UPDATE_COMPLETE"
        assert colors(cloud) == [("A", "blue"), ("B", "blue"), ("C", "y"), ("D", None)]
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 30))
def test_a_failing_update_is_rolled_back(commits: int) -> None:
    async def main() -> None:
        cloud = Cloud()
        await cloud.create("s", TEMPLATE)
        cloud.refuse = no_mauve
        before = dict(cloud.things)
        cloud = await crash_after(cloud, commits, lambda cloud: cloud.update("s", FAILING))
        stack = await cloud.done("s")
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert cloud.things.keys() == before.keys()
        assert colors(cloud) == [("A", "red"), ("B", "red"), ("C", "x")]
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.parametrize("commits", range(0, 10))
def test_a_delete_is_completed(commits: int) -> None:
    async def main() -> None:
        cloud = Cloud()
        await cloud.create("s", TEMPLATE)
        stack_id = (await cloud.done("s"))["StackId"]
        cloud = await crash_after(cloud, commits, lambda cloud: cloud.delete_stack(StackName="s"))
        assert (await cloud.done(stack_id))["StackStatus"] == "DELETE_COMPLETE"
        assert cloud.things == {}
        assert (await cloud.list_exports())["Exports"] == []
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 7))
def test_a_create_of_several_calls_repeats_none_that_answered(commits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(ctx: Any, properties: Request) -> Physical:
        first = await ctx.call("things", "CreateThing", Name=ctx.name())
        second = await ctx.call("things", "CreateThing", Name=ctx.name(lower=True))
        return Physical(first["Name"], {"Arn": second["Name"], "Color": "x"})

    def cloud_of(cloud: Cloud) -> Cloud:
        kind = cloud.platform.resource_types["Test::Thing"]
        cloud.platform.resource_types["Test::Thing"] = dataclasses.replace(kind, create=create)
        return cloud

    monkeypatch.setattr(
        "tests.services.cloudformation.support.THINGS",
        tuple(cloud_of(Cloud()).platform.resource_types[name] for name in ("Test::Thing", "AWS::IAM::Role")),
    )

    async def main() -> None:
        cloud = await crash_after(Cloud(), commits, lambda cloud: cloud.create("s", {"Resources": {"A": thing()}}))
        assert (await cloud.done("s"))["StackStatus"] == "CREATE_COMPLETE"
        assert len(cloud.things) == 2
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.parametrize("commits", range(0, 16))
def test_a_create_whose_lost_answer_cannot_be_read_back_leaves_nothing(commits: int) -> None:
    async def main() -> None:
        cloud = await crash_after(Cloud(), commits, lambda cloud: cloud.create("s", TEMPLATE))
        stack = await cloud.done("s")
        assert (stack["StackStatus"], len(cloud.things)) in (("CREATE_COMPLETE", 3), ("ROLLBACK_COMPLETE", 0))
        await cloud.platform.tasks.close()

    asyncio.run(main())


def born(thing: Request, _: Request) -> float | None:
    made_s: float | None = thing.get("made_s")
    return made_s


NAMED: Request = {"Resources": {"A": thing(Name="mine", Color="ours"), "B": {**thing(), "DependsOn": "A"}}}


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 10))
def test_a_thing_of_a_chosen_name_that_was_made_since_is_this_stacks(
    commits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by ./dev crash: a parameter whose answer was lost made its whole stack roll back, and stayed."""
    reading = ("GetThing", lambda asked: {"Name": asked["Name"]}, born)
    monkeypatch.setitem(made._BORN, ("things", "CreateThing"), reading)

    async def main() -> None:
        cloud = await crash_after(Cloud(), commits, lambda cloud: cloud.create("s", NAMED))
        assert (await cloud.done("s"))["StackStatus"] == "CREATE_COMPLETE"
        assert cloud.things["mine"]["Color"] == "ours" and len(cloud.things) == 2
        await cloud.delete("s")
        assert cloud.things == {}
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("commits", range(0, 10))
@pytest.mark.parametrize("readable", [True, False])
def test_a_thing_of_a_chosen_name_that_was_there_is_somebody_elses_even_after_a_crash(
    commits: int, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = ("GetThing", lambda asked: {"Name": asked["Name"]}, born)
    if readable:
        monkeypatch.setitem(made._BORN, ("things", "CreateThing"), reading)
    theirs: Request = {"Name": "mine", "Color": "theirs", "made_s": 1.0}

    async def main() -> None:
        cloud = await crash_after(Cloud(things={"mine": theirs}), commits, lambda cloud: cloud.create("s", NAMED))
        assert (await cloud.done("s"))["StackStatus"] == "ROLLBACK_COMPLETE"
        assert cloud.things == {"mine": theirs}
        await cloud.platform.tasks.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("call", "request_", "answer", "made_ms"),
    [
        (("ssm", "PutParameter"), {"Name": "p"}, {"Parameter": {"LastModifiedDate": 1.5, "Version": 1}}, 1500),
        (("ssm", "PutParameter"), {"Name": "p"}, {"Parameter": {"LastModifiedDate": 1.5, "Version": 2}}, None),
        (("iam", "CreateRole"), {"RoleName": "r"}, {"Role": {"CreateDate": 1.5}}, 1500),
        (("lambda", "CreateFunction"), {"FunctionName": "f"}, {"LastModified": "1970-01-01T00:00:01.500+0000"}, 1500),
        (("dynamodb", "CreateTable"), {"TableName": "t"}, {"Table": {"CreationDateTime": 1.5}}, 1500),
        (
            ("logs", "CreateLogGroup"),
            {"logGroupName": "g"},
            {"logGroups": [{"logGroupName": "gg", "creationTime": 9}, {"logGroupName": "g", "creationTime": 1500}]},
            1500,
        ),
        (("scheduler", "CreateSchedule"), {"Name": "s"}, {"CreationDate": 1.5}, 1500),
        (("pipes", "CreatePipe"), {"Name": "p"}, {"CreationTime": 1.5}, 1500),
        (("sqs", "CreateQueue"), {"QueueName": "q"}, {}, None),
    ],
)
def test_the_age_of_a_thing_is_read_of_each_service(
    call: tuple[str, str], request_: Request, answer: Request, made_ms: int | None
) -> None:
    async def ask(service: str, operation: str, **asked: Any) -> Request:
        assert service == call[0] and set(asked.values()) == set(request_.values())
        return answer

    async def main() -> None:
        assert await made.since(ask, *call, request_, made_ms or 0) is (made_ms is not None)
        if made_ms is not None:
            assert not await made.since(ask, *call, request_, made_ms + 1)

    asyncio.run(main())


def test_a_thing_that_exists_under_a_chosen_name_is_never_adopted() -> None:
    assert "ResourceConflictException" in made.EXISTS
    assert context.generated_name("s", "A", "X" * 12, 64).endswith("X" * 12)

    async def main() -> None:
        cloud = Cloud(things={"mine": {"Color": "theirs"}})
        stack = await cloud.create("s", {"Resources": {"A": thing(Name="mine", Color="ours")}})
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert cloud.things == {"mine": {"Color": "theirs"}}
        await cloud.platform.tasks.close()

    asyncio.run(main())
