"""Names and tokens: what stacks and their resources are called, and calls that are repeated."""

from __future__ import annotations

from tests.services.cloudformation.support import TWO, Cloud, refused, run


def test_a_token_makes_a_call_repeatable() -> None:
    async def body(cloud: Cloud) -> None:
        first = await cloud.create("s", TWO, ClientRequestToken="one")
        again = await cloud.create("s", TWO, ClientRequestToken="one")
        assert again["StackId"] == first["StackId"]
        assert await refused(cloud.create("s", TWO, ClientRequestToken="two"), "AlreadyExistsException") == (
            "Stack [s] already exists"
        )
        events = (await cloud.describe_stack_events(StackName="s"))["StackEvents"]
        assert {event["ClientRequestToken"] for event in events} == {"one"}

    run(body)


def test_stack_names_are_checked() -> None:
    async def body(cloud: Cloud) -> None:
        assert "[a-zA-Z][-a-zA-Z0-9]*" in await refused(cloud.create("1s", TWO))
        assert await refused(cloud.update("nope", TWO)) == "Stack [nope] does not exist"

    run(body)


def test_generated_names_are_cut_to_fit() -> None:
    from freehold.services.cloudformation.context import generated_name

    assert generated_name("stack", "Logical", "ABCDEFGHIJKL", 64) == "stack-Logical-ABCDEFGHIJKL"
    cut = generated_name("s" * 100, "L" * 100, "ABCDEFGHIJKL", 64)
    assert len(cut) == 64
    assert cut.endswith("-ABCDEFGHIJKL")
    assert generated_name("Stack", "Thing", "ABC", 63, lower=True) == "stack-thing-abc"
