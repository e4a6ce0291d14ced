"""Custom runtimes: a bootstrap of any kind that speaks the Runtime API over its address."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable

import pytest

from freehold.runtime.base import RuntimeUnavailable
from tests.runtime.bench import Bench

Play = Callable[..., None]
PROVIDED = {"runtime": "provided.al2023", "handler": "hello.main", "timeout_s": 10, "memory_mb": 512}
BASH = """#!/bin/bash
set -euo pipefail
API="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
while true; do
  HEADERS="$(mktemp)"
  EVENT=$(curl -sS -LD "$HEADERS" "$API/invocation/next")
  ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  echo "handling $ID for $_HANDLER" 1>&2
  if [ "$EVENT" = '"fail"' ]; then
    curl -sS "$API/invocation/$ID/error" -H "Lambda-Runtime-Function-Error-Type: Mine.Bad" \
      -d '{"errorMessage":"no","errorType":"Mine.Bad","stackTrace":[]}' > /dev/null
  elif [ "$EVENT" = '"exit"' ]; then
    exit 4
  else
    curl -sS "$API/invocation/$ID/response" -d "{\\"echo\\": $EVENT}" > /dev/null
  fi
done
"""
PYTHON = """#!/usr/bin/python3
import http.client, json, os, sys
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
connection = http.client.HTTPConnection(api)
base = "/2018-06-01/runtime/invocation/"
while True:
    connection.request("GET", base + "next")
    answer = connection.getresponse()
    request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(answer.read())
    result = []
    def post(path, body, **options):
        connection.request("POST", base + path, body, **options)
        answer = connection.getresponse()
        return [answer.status, json.loads(answer.read() or b"null")]
    if event == "stream":
        head = {"Lambda-Runtime-Function-Response-Mode": "streaming", "Content-Type": "text/x"}
        head["Transfer-Encoding"] = "chunked"
        post(request_id + "/response", iter([b"one ", b"two"]), headers=head, encode_chunked=True)
        continue
    if event == "other":
        other = http.client.HTTPConnection("127.0.0.1:" + os.environ["OTHER"])
    result.append(post("wrong/response", b"1"))
    connection.request("GET", "/elsewhere")
    answer = connection.getresponse()
    result.append([answer.status, json.loads(answer.read())["errorType"]])
    connection.request("GET", base + "next")
    answer = connection.getresponse()
    result.append([answer.status, json.loads(answer.read())["errorType"]])
    post(request_id + "/response", json.dumps(result).encode())
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap uses curl")
def test_the_documented_bash_bootstrap(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("", {"bootstrap": BASH}, **PROVIDED)
        assert await bench.result(spec, {"a": 1}) == {"echo": {"a": 1}}
        assert await bench.result(spec, 2) == {"echo": 2}
        assert "for hello.main" in bench.sink.text
        document = await bench.error(spec, "fail")
        assert document == {"errorMessage": "no", "errorType": "Mine.Bad", "stackTrace": []}
        document = await bench.error(spec, "exit")
        assert document["errorMessage"].endswith("Runtime exited with error: exit status 4")
        assert bench.sink.ended[0].memory_used_mb > 0

    play(scenario)


def test_states_and_streaming_of_the_runtime_api(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("", {"bootstrap": PYTHON}, **PROVIDED)
        got = await bench.result(spec, "states")
        assert got[0][0] == 400 and got[0][1]["errorType"] == "InvalidRequestID"
        assert got[1] == [404, "InvalidRequest"]
        assert got[2] == [403, "InvalidStateTransition"]
        outcome = await bench.invoke(spec, "stream", stream=True)
        assert outcome.content_type == "text/x" and not isinstance(outcome.payload, bytes)
        assert b"".join([piece async for piece in outcome.payload]) == b"one two"
        assert (await bench.invoke(spec, "stream")).payload == b"one two"

    play(scenario)


def test_a_bootstrap_in_a_layer(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        layer = bench.function("", {"bootstrap": PYTHON}).code
        spec = bench.function("", {"data": "x"}, **PROVIDED, layers=(layer,))
        assert await bench.result(spec, "states")

    play(scenario)


def test_another_functions_runtime_api_is_closed(play: Play) -> None:
    """Neither the server's own user nor another function reaches an instance's Runtime API."""
    source = """
import http.client
def handler(address, context):
    try:
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        return connection.getresponse().status
    except OSError as problem:
        return type(problem).__name__
"""

    async def scenario(bench: Bench) -> None:
        victim = bench.function("", {"bootstrap": PYTHON}, **PROVIDED)
        await bench.result(victim, "states")
        (instance,) = bench.pool.instances
        got = await bench.result(bench.function(source), instance.runtime_api)
        assert got in ("ConnectionResetError", "RemoteDisconnected")
        reader, writer = await asyncio.open_connection(*instance.runtime_api.split(":"))
        writer.write(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        except ConnectionResetError:
            pass
        writer.close()
        assert await bench.result(victim, "states"), "its owner goes on"

    play(scenario)


def test_a_missing_bootstrap_is_awss_error(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        document = await bench.error(bench.function("", {"data": "x"}, **PROVIDED))
        assert document["errorType"] == "Runtime.InvalidEntrypoint"

    play(scenario)


def test_other_runtimes_are_refused_by_name(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        for runtime in ("java21", "dotnet8", "ruby3.3", "go1.x", "python2.7", ""):
            with pytest.raises(RuntimeUnavailable, match=runtime or "images"):
                bench.pool.resolve(runtime)
            with pytest.raises(RuntimeUnavailable):
                await bench.invoke(bench.function("x = 1", runtime=runtime))
        assert bench.pool.resolve("provided.al2") == "provided.al2"
        assert bench.pool.resolve("python3.99").startswith("python3.")
        assert json.dumps(dict(bench.pool.isolation()))

    play(scenario)
