from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from freehold.ports.call import Cause
from freehold.runtime.base import FunctionSpec, Invocation, LogEvent, Outcome, RuntimeUnavailable, Throttled
from freehold.services.lambda_.credentials import SESSION_S
from freehold.services.lambda_.engine import engine_of
from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.support import ARN, REGION, World, package

OTHER = "444455556666"


async def lines(world: World, group: str = "/aws/lambda/hello") -> list[str]:
    """What was written to the log, through the rows that CloudWatch Logs reads."""
    written: list[str] = []
    for (_, _, at, _), buffer in world.platform.logs._buffers.items():
        if at == group:
            written += [text for _, text in buffer.events]
    return written


def test_invoke_answers_the_function_s_result() -> None:
    async def body(world: World) -> None:
        await world.create()
        answer = await world("Invoke", FunctionName="hello", Payload=b'{"a": 1}')
        assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b'{"a": 1}'}
        nothing = await world("Invoke", FunctionName="hello")
        assert nothing["Payload"] == b"{}"
        spec, invocation = world.runtime.seen[0]
        assert invocation.arn == spec.arn == f"{ARN}:hello"
        assert ";Sampled=0;Lineage=1:" in (invocation.trace_header or "")

    run(body)


def test_payloads_must_be_json_within_the_limits() -> None:
    async def body(world: World) -> None:
        await world.create()
        await refused(
            world("Invoke", FunctionName="hello", Payload=b"{nope"),
            "InvalidRequestContentException",
            "Could not parse request body into json",
        )
        big = b'"' + b"x" * 6_291_456 + b'"'
        await refused(
            world("Invoke", FunctionName="hello", Payload=big),
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        )
        await refused(
            world("Invoke", FunctionName="hello", InvocationType="Event", Payload=b'"' + b"x" * 1_048_576 + b'"'),
            "RequestEntityTooLargeException",
            "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        )
        for context in ("%%%", "é" * 40):
            await refused(
                world("Invoke", FunctionName="hello", ClientContext=context),
                "InvalidRequestContentException",
                "Client context",
            )

    run(body)


def test_client_context_reaches_the_function_decoded() -> None:
    async def body(world: World) -> None:
        await world.create()
        context = base64.b64encode(b'{"client": {"a": 1}}').decode()
        await world("Invoke", FunctionName="hello", ClientContext=context)
        assert world.runtime.seen[0][1].client_context == '{"client": {"a": 1}}'

    run(body)


def test_dry_run_checks_and_runs_nothing() -> None:
    async def body(world: World) -> None:
        await world.create()
        answer = await world("Invoke", FunctionName="hello", InvocationType="DryRun")
        assert answer["StatusCode"] == 204 and world.runtime.seen == []
        await refused(world("Invoke", FunctionName="gone", InvocationType="DryRun"), "ResourceNotFoundException")

    run(body)


def test_function_errors_are_marked() -> None:
    async def body(world: World) -> None:
        async def fail(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            return Outcome(b'{"errorType": "E"}', "Unhandled", error_type="E")

        world.runtime.body = fail
        await world.create()
        answer = await world("Invoke", FunctionName="hello")
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")

    run(body)


def test_qualifiers_choose_versions_and_the_invoked_arn_is_what_was_asked_for() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1")
        for qualifier, version in (("1", "1"), ("live", "1"), ("$LATEST", "$LATEST")):
            answer = await world("Invoke", FunctionName="hello", Qualifier=qualifier)
            assert answer["ExecutedVersion"] == version
            assert world.runtime.seen[-1][1].arn == f"{ARN}:hello:{qualifier}"
        await refused(
            world("Invoke", FunctionName="hello", Qualifier="9"), "ResourceNotFoundException", f"{ARN}:hello:9"
        )
        await refused(
            world("Invoke", FunctionName=f"arn:aws:lambda:eu-west-1:{OTHER}:function:hello"),
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        )

    run(body)


def test_alias_weights_share_the_traffic() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("UpdateFunctionCode", FunctionName="hello", ZipFile=package(b__py="2"), Publish=True)
        await world(
            "CreateAlias",
            FunctionName="hello",
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
        )
        ran = [(await world("Invoke", FunctionName="hello:live"))["ExecutedVersion"] for _ in range(400)]
        assert 60 < ran.count("2") < 140

    run(body)


def test_an_update_is_seen_by_the_next_invocation() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world("Invoke", FunctionName="hello")
        await world("UpdateFunctionConfiguration", FunctionName="hello", MemorySize=512)
        await world("Invoke", FunctionName="hello")
        (before, _), (after, _) = world.runtime.seen
        assert (before.memory_mb, after.memory_mb) == (128, 512) and before.key != after.key
        await world("CreateAlias", FunctionName="hello", Name="other", FunctionVersion="$LATEST")
        await world("Invoke", FunctionName="hello")
        assert world.runtime.seen[-1][0].key == after.key, "an alias must not cost a warm instance"
        await world("DeleteFunction", FunctionName="hello")
        await refused(world("Invoke", FunctionName="hello"), "ResourceNotFoundException", f"{ARN}:hello")

    run(body)


def test_reserved_concurrency_and_the_account_s_limit() -> None:
    async def body(world: World) -> None:
        gate = asyncio.Event()

        async def wait(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            await gate.wait()
            return Outcome(b"null")

        world.runtime.body = wait
        await world.create()
        await world.create("other")
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=2)
        running = [asyncio.create_task(world("Invoke", FunctionName="hello")) for _ in range(2)]
        while len(world.runtime.seen) < 2:
            await asyncio.sleep(0)
        fault = await refused(world("Invoke", FunctionName="hello"), "TooManyRequestsException", "Rate Exceeded.")
        assert fault.fields["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        running += [asyncio.create_task(world("Invoke", FunctionName="other")) for _ in range(998)]
        while len(world.runtime.seen) < 1000:
            await asyncio.sleep(0)
        fault = await refused(world("Invoke", FunctionName="other"), "TooManyRequestsException")
        assert fault.fields["Reason"] == "ConcurrentInvocationLimitExceeded"
        gate.set()
        await asyncio.gather(*running)
        await world("Invoke", FunctionName="hello")
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=0)
        await refused(world("Invoke", FunctionName="hello"), "TooManyRequestsException")
        await world("DeleteFunctionConcurrency", FunctionName="hello")
        await world("Invoke", FunctionName="hello")

    run(body)


def test_what_the_runtime_refuses_is_a_modelled_error() -> None:
    async def body(world: World) -> None:
        async def throttle(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            raise Throttled("ConcurrentInvocationLimitExceeded")

        async def refuse(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            raise RuntimeUnavailable("no sandbox here")

        await world.create()
        world.runtime.body = throttle
        await refused(world("Invoke", FunctionName="hello"), "TooManyRequestsException")
        world.runtime.body = refuse
        await refused(world("Invoke", FunctionName="hello"), "InvalidRuntimeException", "no sandbox here")

    run(body)


def test_log_tail_ends_with_the_report() -> None:
    async def body(world: World) -> None:
        world.runtime.output = [b"one\ntwo\n", LogEvent(b"a trace\nof two lines\n")]
        await world.create()
        answer = await world("Invoke", FunctionName="hello", LogType="Tail")
        request_id = world.runtime.seen[0][1].request_id
        expected = [
            f"START RequestId: {request_id} Version: $LATEST\n",
            "one\n",
            "two\n",
            "a trace\nof two lines\n",
            f"END RequestId: {request_id}\n",
            f"REPORT RequestId: {request_id}\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 40 MB\t\n",
        ]
        assert base64.b64decode(answer["LogResult"]).decode() == "".join(expected)
        assert await lines(world) == expected
        world.runtime.output = [b"x" * 9_000 + b"\n"]
        answer = await world("Invoke", FunctionName="hello", LogType="Tail")
        assert len(base64.b64decode(answer["LogResult"])) == 4096

    run(body)


def test_json_logs_have_platform_events_by_level() -> None:
    async def body(world: World) -> None:
        await world.create(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "LogGroup": "mine"})
        world.runtime.output = [b'{"level": "INFO", "message": "no"}\n', b'{"level": "ERROR", "message": "yes"}\n']
        await world("Invoke", FunctionName="hello")
        events = [json.loads(line) for line in await lines(world, "mine")]
        assert [event.get("type", event.get("message")) for event in events] == [
            "platform.start",
            "yes",
            "platform.report",
        ]
        assert events[-1]["record"]["metrics"]["billedDurationMs"] == 2
        await world(
            "UpdateFunctionConfiguration",
            FunctionName="hello",
            LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
        )
        world.runtime.output = []
        await world("Invoke", FunctionName="hello")
        types = [json.loads(line).get("type") for line in await lines(world, "mine")]
        assert types[3:] == ["platform.start", "platform.runtimeDone", "platform.report"]
        await refused(
            world.create("text", LoggingConfig={"LogFormat": "Text", "SystemLogLevel": "WARN"}),
            "InvalidParameterValueException",
        )

    run(body)


def test_active_tracing_gives_the_function_a_sampled_header_and_records_segments() -> None:
    async def body(world: World) -> None:
        await world.create(TracingConfig={"Mode": "Active"})
        await world("Invoke", FunctionName="hello", LogType="Tail")
        header = world.runtime.seen[0][1].trace_header
        assert header is not None and ";Sampled=1;Lineage=1:" in header
        await world.platform.traces.flush()
        traces = await world.platform.traces.recent("111122223333", REGION)
        assert {segment["origin"] for segment in traces[0]["Segments"]} == {"AWS::Lambda", "AWS::Lambda::Function"}
        assert any("XRAY TraceId: " + traces[0]["Id"] in line for line in await lines(world))

    run(body)


def test_streams_arrive_in_pieces_and_hold_their_slot() -> None:
    async def body(world: World) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        async def stream(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            assert invocation.stream
            return Outcome(pieces())

        world.runtime.body = stream
        await world.create()
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        answer = await world("InvokeWithResponseStream", FunctionName="hello", LogType="Tail")
        await refused(world("InvokeWithResponseStream", FunctionName="hello"), "TooManyRequestsException")
        events = [event async for event in answer["EventStream"]]
        assert events[:2] == [{"PayloadChunk": {"Payload": b"one"}}, {"PayloadChunk": {"Payload": b"two"}}]
        assert "REPORT" in base64.b64decode(events[2]["InvokeComplete"]["LogResult"]).decode()
        await world("InvokeWithResponseStream", FunctionName="hello")

    run(body)


def test_a_failed_stream_says_so_at_its_end() -> None:
    async def body(world: World) -> None:
        async def fail(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            return Outcome(b'{"errorType": "E"}', "Unhandled", error_type="E")

        world.runtime.body = fail
        await world.create()
        answer = await world("InvokeWithResponseStream", FunctionName="hello")
        events = [event async for event in answer["EventStream"]]
        assert events == [{"InvokeComplete": {"ErrorCode": "E", "ErrorDetails": '{"errorType": "E"}'}}]

    run(body)


def test_other_accounts_need_a_permission() -> None:
    async def body(world: World) -> None:
        await world.create()
        await refused(
            world("Invoke", account=OTHER, FunctionName=f"{ARN}:hello"),
            "AccessDeniedException",
            "lambda:InvokeFunction",
        )
        await world(
            "AddPermission", FunctionName="hello", StatementId="s", Action="lambda:InvokeFunction", Principal=OTHER
        )
        await world("Invoke", account=OTHER, FunctionName=f"{ARN}:hello")

    run(body)


def test_services_invoke_through_the_port() -> None:
    async def body(world: World) -> None:
        await world.create()
        functions: Any = world.platform.functions
        answer = await functions.invoke(f"{ARN}:hello", b'"x"', cause=Cause("Root=1-0;Sampled=0"), source="s")
        assert (answer.payload, answer.function_error, answer.executed_version) == (b'"x"', None, "$LATEST")
        assert (world.runtime.seen[0][1].trace_header or "").startswith("Root=1-0;Sampled=0;Lineage=")
        await functions.invoke(f"{ARN}:hello", b'"x"', cause=Cause(), source="s", asynchronous=True)
        await world.settle()
        assert len(world.runtime.seen) == 2
        await refused(functions.invoke(f"{ARN}:gone", b"{}", cause=Cause(), source="s"), "ResourceNotFoundException")

    run(body)


def test_code_is_unpacked_again_when_its_directory_is_lost() -> None:
    async def body(world: World) -> None:
        await world.create()
        (directory,) = (world.data / "functions").iterdir()
        (directory / "app.py").unlink()
        directory.rmdir()
        await world("Invoke", FunctionName="hello")
        assert (world.runtime.seen[0][0].code / "app.py").read_text().startswith("def handler")

    run(body)


def test_credentials_are_a_session_of_the_role_and_the_address_is_freehold_s() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world("Invoke", FunctionName="hello")
        given = world.runtime.credentials(world.runtime.seen[0][0])
        assert given == {
            "AWS_ACCESS_KEY_ID": "ASIAX",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        }

    run(body)


def test_instances_are_replaced_before_their_credentials_expire() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world("Invoke", FunctionName="hello")
        engine = engine_of(world.platform)
        (entry,) = engine._entries.values()
        assert entry.expires < world.clock.monotonic() + SESSION_S - 900, "a session outlives the last invocation"
        entry.expires = 0.0
        await world("Invoke", FunctionName="hello")
        (before, _), (after, _) = world.runtime.seen
        assert before.key != after.key and world.runtime.retired == [f"{ARN}:hello"]

    run(body)
