"""Functions as the nodes of a cluster see them."""

from __future__ import annotations

from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import packages
from freehold.services.lambda_.engine import engine_of
from tests.services.lambda_.helpers import refused
from tests.services.lambda_.nodes import Cluster, on
from tests.services.lambda_.support import ARN, World, package


async def _runs(world: World) -> FunctionSpec:
    """What an invocation through this node runs."""
    found: list[FunctionSpec] = []

    async def body(spec: FunctionSpec, invocation: Invocation) -> Outcome:
        found.append(spec)
        return Outcome(b"{}", billed_ms=1)

    world.runtime.body = body
    await world("Invoke", FunctionName="hello")
    return found[0]


def test_the_next_invocation_runs_what_another_node_was_told() -> None:
    async def body(nodes: Cluster) -> None:
        first, second = nodes.worlds
        await first.create()
        before = await _runs(second)
        await first("UpdateFunctionCode", FunctionName="hello", ZipFile=package(app__py="x = 1"))
        after = await _runs(second)
        assert after.code != before.code and (after.code / "app.py").read_text() == "x = 1"
        assert second.runtime.retired == [f"{ARN}:hello"], "warm instances of the old code go"
        await first(
            "UpdateFunctionConfiguration",
            FunctionName="hello",
            MemorySize=256,
            Environment={"Variables": {"COLOUR": "1"}},
        )
        changed = await _runs(second)
        assert (changed.memory_mb, changed.environment) == (256, {"COLOUR": "1"})
        assert len(second.runtime.retired) == 2
        await first("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=3)
        assert (await _runs(second)).key == changed.key
        assert len(second.runtime.retired) == 2, "what runs is still the same"

    on(2, body)


def test_a_function_that_was_deleted_on_another_node_is_gone() -> None:
    async def body(nodes: Cluster) -> None:
        first, second = nodes.worlds
        await first.create()
        await _runs(second)
        await first("DeleteFunction", FunctionName="hello")
        await refused(second("Invoke", FunctionName="hello"), "ResourceNotFoundException")
        assert second.runtime.retired == [f"{ARN}:hello"]
        await first.create(Code={"ZipFile": package(app__py="x = 2")})
        assert ((await _runs(second)).code / "app.py").read_text() == "x = 2"

    on(2, body)


def test_directories_of_code_that_went_on_another_node_go_here_too() -> None:
    async def body(nodes: Cluster) -> None:
        first, second = nodes.worlds
        await first.create()
        old = (await _runs(second)).code
        await first("UpdateFunctionCode", FunctionName="hello", ZipFile=package(app__py="x = 1"))
        new = (await _runs(second)).code
        await engine_of(second.platform).packages.sweep()
        assert old.is_dir(), "something may still run from it"
        nodes.clock.ahead += packages.UNUSED_S + 1
        await engine_of(second.platform).packages.sweep()
        assert new.is_dir() and not old.exists()

    on(2, body)


def test_nodes_share_the_burst_of_starts() -> None:
    async def body(nodes: Cluster) -> None:
        assert [world.runtime.nodes() for world in nodes.worlds] == [3, 3, 3]

    on(3, body)
