"""Node.js functions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.bench import Bench

Play = Callable[..., None]
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
NODE = {"runtime": "nodejs20.x", "handler": "index.handler", "memory_mb": 512, "timeout_s": 10}


def test_every_kind_of_handler(play: Play) -> None:
    result = "{e: event, n: context.functionName}"
    late = f"setTimeout(() => callback(null, {result}), 5)"
    cases: list[tuple[dict[str, str], str]] = [
        ({"index.js": f"exports.handler = async (event, context) => ({result});"}, "index.handler"),
        ({"index.js": f"exports.handler = (event, context, callback) => {late};"}, "index.handler"),
        ({"index.mjs": f"export const handler = async (event, context) => ({result});"}, "index.handler"),
        ({"index.cjs": f"exports.handler = (event, context) => {{ context.succeed({result}); }};"}, "index.handler"),
        (
            {
                "package.json": '{"type": "module"}',
                "src/index.js": f"export async function handler(event, context) {{ return {result}; }}",
            },
            "src/index.handler",
        ),
    ]

    async def scenario(bench: Bench) -> None:
        for files, handler in cases:
            spec = bench.function("", files, **{**NODE, "handler": handler})
            assert await bench.result(spec, {"a": "é"}) == {"e": {"a": "é"}, "n": spec.name}
            assert await bench.result(spec, 2) == {"e": 2, "n": spec.name}
        assert bench.sink.started == len(cases)

    play(scenario)


def test_errors(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function(
            "", {"index.js": "exports.handler = async () => { throw new TypeError('bad'); };"}, **NODE
        )
        document = await bench.error(spec)
        assert (document["errorType"], document["errorMessage"]) == ("TypeError", "bad")
        assert document["trace"][0] == "TypeError: bad" and "/var/task/index.js:1" in document["trace"][1]
        assert "\tERROR\tInvoke Error \t{" in bench.sink.text
        cases = {
            "Runtime.HandlerNotFound": ("exports.other = 1", "index.handler is undefined or not exported"),
            "Runtime.UserCodeSyntaxError": ("exports.handler = (", "SyntaxError: Unexpected"),
            "Runtime.ImportModuleError": ("require('absent')", "Error: Cannot find module 'absent'"),
            "RangeError": ("throw new RangeError('early')", "early"),
        }
        for kind, (source, message) in cases.items():
            document = await bench.error(bench.function("", {"index.js": source}, **NODE))
            assert document["errorType"] == kind and document["errorMessage"].startswith(message)
        source = "exports.handler = () => new Promise((_, no) => { Promise.reject(new Error('lost')); });"
        document = await bench.error(bench.function("", {"index.js": source}, **NODE))
        assert document["errorType"] == "Runtime.UnhandledPromiseRejection"
        assert document["errorMessage"] == "Error: lost"
        source = "exports.handler = (e, c, callback) => callback('just text');"
        assert (await bench.error(bench.function("", {"index.js": source}, **NODE)))["errorMessage"] == "just text"
        source = "exports.handler = () => process.exit(3);"
        document = await bench.error(bench.function("", {"index.js": source}, **NODE))
        assert document["errorMessage"].endswith("Runtime exited with error: exit status 3")

    play(scenario)


def test_logs(play: Play) -> None:
    source = "exports.handler = async () => { console.log('a\\nb', {c: 1}); console.warn('w'); console.debug('d'); };"

    async def scenario(bench: Bench) -> None:
        spec = bench.function("", {"index.js": source}, **NODE)
        invocation = bench.invocation(spec)
        await bench.pool.invoke(spec, invocation)
        assert bench.sink.events[0].decode().split("\t")[1:] == [invocation.request_id, "INFO", "a\nb { c: 1 }\n"]
        bench.sink.lines.clear()
        spec = bench.function("", {"index.js": source}, **NODE, log_format="JSON", log_level="INFO")
        await bench.invoke(spec)
        first, second = [json.loads(line) for line in bench.sink.lines]
        assert first["message"] == "a\nb { c: 1 }" and first["level"] == "INFO" and first["requestId"]
        assert (second["message"], second["level"]) == ("w", "WARN")

    play(scenario)


def test_streams_write_values_as_json(play: Play) -> None:
    source = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write([{a: 1}]);
  stream.write("text");
  stream.write(new Uint8Array([33]));
  stream.write({b: null});
  stream.end();
});
"""

    async def scenario(bench: Bench) -> None:
        outcome = await bench.invoke(bench.function("", {"index.js": source}, **NODE), {})
        assert outcome.payload == b'[{"a":1}]text!{"b":null}'

    play(scenario)


def test_streamed_responses(play: Play) -> None:
    source = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {a: "b"}});
  else stream.setContentType("text/plain");
  for (let i = 0; i < event.pieces; i++) {
    stream.write("piece " + i + ";");
    await new Promise((done) => setTimeout(done, 30));
  }
  if (event.fail) throw new Error("late");
  stream.end();
});
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function("", {"index.js": source}, **NODE)
        outcome = await bench.invoke(spec, {"pieces": 3}, stream=True)
        assert outcome.content_type == "text/plain"
        assert not isinstance(outcome.payload, bytes)
        pieces = [piece async for piece in outcome.payload]
        assert b"".join(pieces) == b"piece 0;piece 1;piece 2;" and len(pieces) > 1
        assert outcome.function_error is None and outcome.duration_ms > 60

        whole = await bench.invoke(spec, {"pieces": 2})
        assert whole.payload == b"piece 0;piece 1;"

        http = await bench.invoke(spec, {"pieces": 1, "http": True}, stream=True)
        assert http.content_type == "application/vnd.awslambda.http-integration-response"
        assert not isinstance(http.payload, bytes)
        body = b"".join([piece async for piece in http.payload])
        assert body == b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"piece 0;"

        late = await bench.invoke(spec, {"pieces": 1, "fail": True}, stream=True)
        assert not isinstance(late.payload, bytes)
        assert b"".join([piece async for piece in late.payload]) == b"piece 0;"
        assert late.function_error == "Unhandled" and late.error_type == "Error"
        assert json.loads(late.error_details)["errorMessage"] == "late"
        assert (await bench.error(spec, {"pieces": 1, "fail": True}))["errorMessage"] == "late"
        assert (await bench.error(spec, {"pieces": 0, "fail": True}))["errorMessage"] == "late"
        assert bench.sink.started == 1

    play(scenario)


def test_the_sdk_is_there_where_its_directory_is_given(play: Play, directory: Path) -> None:
    package = directory / "node_modules" / "@aws-sdk" / "client-x"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@aws-sdk/client-x", "main": "index.js"}')
    (package / "index.js").write_text("exports.X = 'sdk';")

    async def scenario(bench: Bench) -> None:
        common = "const {X} = require('@aws-sdk/client-x'); exports.handler = async () => X;"
        module = "import {X} from '@aws-sdk/client-x'; export const handler = async () => X;"
        assert await bench.result(bench.function("", {"index.js": common}, **NODE)) == "sdk"
        assert await bench.result(bench.function("", {"index.mjs": module}, **NODE)) == "sdk"
        layer = bench.function("", {"nodejs/node_modules/y/index.js": "exports.Y = 'layer';"}).code
        common = "const {Y} = require('y'); exports.handler = async () => Y;"
        module = "import y from 'y'; export const handler = async () => y.Y;"
        assert await bench.result(bench.function("", {"index.js": common}, **NODE, layers=(layer,))) == "layer"
        assert await bench.result(bench.function("", {"index.mjs": module}, **NODE, layers=(layer,))) == "layer"

    play(scenario, node_modules=directory / "node_modules")


def test_a_memory_hog_dies_at_its_limit(play: Play) -> None:
    source = "exports.handler = async () => { const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1)); };"

    async def scenario(bench: Bench) -> None:
        spec = bench.function("", {"index.js": source}, **{**NODE, "memory_mb": 128})
        document = await bench.error(spec)
        assert document["errorMessage"].endswith("Runtime exited with error: signal: killed")

    play(scenario)
