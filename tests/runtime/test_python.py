"""What a Python function finds and what becomes of its errors, as AWS documents it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.runtime.bench import Bench

Play = Callable[..., None]


def test_returns_the_handlers_result_and_measures_it(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("def handler(event, context):\n    return {'got': event}\n")
        first = await bench.invoke(spec, {"a": "é"})
        assert json.loads(first.payload) == {"got": {"a": "é"}}
        assert first.init_ms is not None and first.init_ms > 0
        assert first.billed_ms >= first.init_ms
        assert 1 <= first.memory_used_mb <= 128
        second = await bench.invoke(spec, 2)
        assert second.init_ms is None
        assert second.instance_id == first.instance_id
        assert second.billed_ms >= 1

    play(scenario)


def test_context_has_every_documented_member(play: Play) -> None:
    source = """
def handler(event, c):
    return [c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb, c.aws_request_id,
            c.log_group_name, c.log_stream_name, c.identity.cognito_identity_id, c.client_context.custom,
            c.client_context.client.installation_id, 2000 < c.get_remaining_time_in_millis() <= 3000]
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, log_group="/aws/lambda/x", timeout_s=3.0)
        client = '{"custom": {"k": "ü"}, "client": {"installation_id": "i"}}'
        invocation = bench.invocation(
            spec, {}, client_context=client, cognito_identity='{"cognitoIdentityId": "c", "cognitoIdentityPoolId": "p"}'
        )
        got = json.loads((await bench.pool.invoke(spec, invocation)).payload)
        assert got[:6] == [spec.name, "$LATEST", spec.arn, "128", invocation.request_id, "/aws/lambda/x"]
        assert "/[$LATEST]" in got[6] and len(got[6].rsplit("]", 1)[1]) == 32
        assert got[7:] == ["c", {"k": "ü"}, "i", True]

    play(scenario)


def test_environment_is_lambdas_and_nothing_of_the_servers(play: Play) -> None:
    source = """
import os, sys
def handler(event, context):
    return {"env": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "uid": os.getuid()}
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, environment={"MINE": "x=y"}, memory_mb=256)
        got = await bench.result(spec)
        env = got["env"]
        wanted = {
            "_HANDLER": "app.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11", "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_ACCESS_KEY_ID": "ASIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime", "TZ": ":UTC", "LANG": "en_US.UTF-8",
            "MINE": "x=y", "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        }  # fmt: skip
        assert {name: env.get(name) for name in wanted} == wanted
        assert "VIRTUAL_ENV" not in env and "HOME" in env
        assert got["cwd"] == "/var/task"
        assert got["path"][0] == "/var/task"
        assert not any("site-packages" in path and not path.startswith("/opt") for path in got["path"])
        assert got["uid"] != 0

    play(scenario)


def test_the_user_has_lambdas_name_and_home(play: Play) -> None:
    source = """
import getpass, os
def handler(event, context):
    return [getpass.getuser(), os.path.expanduser("~"), os.access("/etc/passwd", os.W_OK), os.listdir("/tmp")]
"""

    async def scenario(bench: Bench) -> None:
        assert await bench.result(bench.function(source)) == ["sbx_user1051", "/home/sbx_user1051", False, []]

    play(scenario)


def test_unhandled_exception_is_awss_document(play: Play) -> None:
    source = """
def inner():
    raise ValueError("bad")

def handler(event, context):
    inner()
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source)
        document = await bench.error(spec)
        assert document["errorMessage"] == "bad"
        assert document["errorType"] == "ValueError"
        assert len(document["requestId"]) == 36
        assert document["stackTrace"] == [
            '  File "/var/task/app.py", line 6, in handler\n    inner()\n',
            '  File "/var/task/app.py", line 3, in inner\n    raise ValueError("bad")\n',
        ]
        assert bench.sink.events[0].startswith(b"[ERROR] ValueError: bad\nTraceback (most recent call last):\n  File ")
        assert await bench.error(spec), "the instance lives on"
        assert bench.sink.started == 1

    play(scenario)


def test_initialization_errors(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        good = "def handler(e, c): pass\n"
        cases = [
            ({}, good, "app.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'"),
            ({}, good, "other.x", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
            ({}, "import absent\n", "app.handler", "Runtime.ImportModuleError",
             "Unable to import module 'app': No module named 'absent'"),
            ({}, good, "handler", "Runtime.MalformedHandlerName",
             "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
            ({}, "def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError",
             "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
            ({}, "raise KeyError('k')\n", "app.handler", "KeyError", "'k'"),
        ]  # fmt: skip
        for files, source, handler, kind, message in cases:
            document = await bench.error(bench.function(source, files, handler=handler))
            assert (document["errorType"], document["errorMessage"]) == (kind, message)
            assert document["requestId"] and isinstance(document["stackTrace"], list)
        assert document["stackTrace"] == ["  File \"/var/task/app.py\", line 1, in <module>\n    raise KeyError('k')\n"]

    play(scenario)


def test_initialization_that_fails_once_is_repeated_inside_the_invocation(play: Play) -> None:
    """Lambda runs the init phase again, in the invocation, when it failed."""
    source = "import os, time\nif time.time() % 1 < 2: os._exit(3)\ndef handler(e, c): return 1\n"

    async def scenario(bench: Bench) -> None:
        document = await bench.error(bench.function(source))
        assert document["errorType"] == "Runtime.ExitError"
        assert document["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
        assert bench.sink.started == 2 and bench.sink.failed_inits == ["Runtime.ExitError"]

    play(scenario)


def test_results_that_cannot_be_marshalled(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        document = await bench.error(bench.function("def handler(e, c): return {1, 2}\n"))
        assert document["errorType"] == "Runtime.MarshalError"
        assert document["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"

    play(scenario)


def test_decimals_are_written_as_numbers(play: Play) -> None:
    source = "import decimal\ndef handler(e, c): return {'n': decimal.Decimal('1.50'), 's': 'decimal:1'}\n"

    async def scenario(bench: Bench) -> None:
        outcome = await bench.invoke(bench.function(source))
        assert outcome.payload == b'{"n": 1.50, "s": "decimal:1"}'

    play(scenario)


def test_response_larger_than_six_megabytes(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("def handler(n, c): return 'x' * n\n", memory_mb=256)
        assert len(await bench.result(spec, 6_291_554)) == 6_291_554
        document = await bench.error(spec, 6_291_555)
        assert document == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        assert await bench.result(spec, 3) == "xxx"
        assert bench.sink.started == 1, "the instance lives on"

    play(scenario)


def test_large_events_arrive(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("def handler(e, c): return len(e)\n", memory_mb=256)
        assert await bench.result(spec, "y" * 6_000_000) == 6_000_000

    play(scenario)


def test_text_logs(play: Play) -> None:
    source = """
import logging, sys
log = logging.getLogger("mine")
log.setLevel("INFO")
def handler(event, context):
    print("plain")
    log.info("two\\nlines")
    logging.getLogger().info("not shown: the root's level is WARNING")
    print("to stderr", file=sys.stderr)
    sys.stdout.write("no newline")
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source)
        invocation = bench.invocation(spec)
        await bench.pool.invoke(spec, invocation)
        lines = bench.sink.lines
        assert lines[0] == b"plain"
        stamp = lines[1].split(b"\t")
        assert stamp[0] == b"[INFO]" and stamp[1].endswith(b"Z") and stamp[2].decode() == invocation.request_id
        assert len(bench.sink.events) == 1 and bench.sink.events[0].endswith(b"\ttwo\nlines\n")
        assert lines[-2:] == [b"to stderr", b"no newline"]
        assert b"not shown" not in b"".join(lines)

    play(scenario)


def test_json_logs(play: Play) -> None:
    source = """
import logging
log = logging.getLogger("mine")
def handler(event, context):
    log.debug("hidden")
    log.info("said %s", "it", extra={"order": 7})
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
    raise RuntimeError("end")
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, log_format="JSON", log_level="INFO")
        invocation = bench.invocation(spec)
        await bench.pool.invoke(spec, invocation)
        said, failed, end = [json.loads(line) for line in bench.sink.lines]
        assert said["level"] == "INFO" and said["message"] == "said it" and said["logger"] == "mine"
        assert said["order"] == 7 and said["requestId"] == invocation.request_id and said["timestamp"].endswith("Z")
        assert failed["errorType"] == "ZeroDivisionError" and failed["stackTrace"]
        assert end["log_level"] == "ERROR" and end["errorType"] == "RuntimeError" and end["errorMessage"] == "end"

    play(scenario)


def test_boto3_is_there_and_finds_its_credentials(play: Play) -> None:
    source = """
import boto3
client = boto3.client("sqs")
def handler(event, context):
    other = boto3.Session().client("dynamodb")
    keys = boto3.DEFAULT_SESSION.get_credentials()
    return [client.meta.region_name, client.meta.endpoint_url, keys.access_key, keys.token, other.meta.endpoint_url]
"""

    async def scenario(bench: Bench) -> None:
        got = await bench.result(bench.function(source, memory_mb=512, timeout_s=10))
        assert got == ["us-east-1", "http://127.0.0.1:1", "ASIATEST", "token", "http://127.0.0.1:1"]

    play(scenario)


def test_a_vendored_boto3_comes_first(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        source = "import boto3\ndef handler(e, c): return boto3.MINE\n"
        assert await bench.result(bench.function(source, {"boto3/__init__.py": "MINE = 'task'\n"})) == "task"
        layer = bench.function("", {"python/boto3/__init__.py": "MINE = 'layer'\n"}).code
        assert await bench.result(bench.function(source, layers=(layer,))) == "layer"

    play(scenario)


def test_layers_are_merged_later_ones_win(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        first = bench.function("", {"python/one.py": "A = 1\n", "python/both.py": "B = 1\n", "data.txt": "d"}).code
        second = bench.function("", {"python/both.py": "B = 2\n"}).code
        source = "import one, both\ndef handler(e, c): return [one.A, both.B, open('/opt/data.txt').read()]\n"
        assert await bench.result(bench.function(source, layers=(first, second))) == [1, 2, "d"]
        assert await bench.result(bench.function(source, layers=(second, first))) == [1, 1, "d"]

    play(scenario)


def test_user_modules_of_any_name_are_the_users(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        files = {"client.py": "X = 1\n", "deep/entry.py": "import client\ndef handler(e, c): return client.X\n"}
        assert await bench.result(bench.function("", files, handler="deep/entry.handler")) == 1
        assert await bench.result(bench.function("", files, handler="deep.entry.handler")) == 1

    play(scenario)


def test_wrapper_scripts_start_the_runtime(play: Play) -> None:
    source = "import os\ndef handler(e, c): return os.environ['WRAPPED']\n"
    script = '#!/bin/bash\nexport WRAPPED="by $(basename "$0")"\nexec "$@"\n'

    async def scenario(bench: Bench) -> None:
        layer = bench.function("", {"wrap": script}).code
        spec = bench.function(
            source, layers=(layer,), environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}, timeout_s=10
        )
        assert await bench.result(spec) == "by wrap"

    play(scenario)


def test_extensions_are_named_as_not_started(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        layer = bench.function("", {"extensions/watcher": "#!/bin/sh\n"}).code
        await bench.result(bench.function("def handler(e, c): return 1\n", layers=(layer,)))
        assert "extension watcher is not started" in bench.sink.text

    play(scenario)


def test_a_closed_connection_is_an_error_to_catch(play: Play) -> None:
    source = """
import socket, subprocess
def handler(event, context):
    mine, theirs = socket.socketpair()
    theirs.close()
    try:
        mine.send(b"x")
    except BrokenPipeError:
        return subprocess.run("yes | head -n 1", shell=True, capture_output=True).stdout.decode()
"""

    async def scenario(bench: Bench) -> None:
        assert await bench.result(bench.function(source, timeout_s=10, memory_mb=512)) == "y\n"

    play(scenario)


def test_the_trace_header_is_in_the_environment_of_all_it_starts(play: Play) -> None:
    source = """
import os, subprocess
def handler(event, context):
    kind = event.get("do")
    if kind == "remove":
        del os.environ["_X_AMZN_TRACE_ID"]
    elif kind == "set":
        os.environ["_X_AMZN_TRACE_ID"] = "mine"
    elif kind == "clear":
        kept = dict(os.environ)
        os.environ.clear()
        os.environ.update(kept)
    told = subprocess.run(["/bin/sh", "-c", "echo $_X_AMZN_TRACE_ID"], capture_output=True, text=True)
    return [os.environ.get("_X_AMZN_TRACE_ID", ""), os.getenv("_X_AMZN_TRACE_ID", ""), told.stdout.strip()]
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, memory_mb=1769, timeout_s=10)

        async def seen(trace: str, do: str = "") -> Any:
            outcome = await bench.invoke(spec, {"do": do}, trace_header=trace)
            return json.loads(outcome.payload)  # type: ignore[arg-type]

        long = "Root=1;" + "x" * 2_000
        for trace in ("Root=1-a;Sampled=0", "Root=1-bb;Sampled=1", long, "Root=1-c"):
            assert await seen(trace) == [trace] * 3
        assert await seen("Root=1-d", "remove") == [""] * 3
        assert await seen("Root=1-e") == ["Root=1-e"] * 3
        assert await seen("Root=1-f", "set") == ["mine"] * 3
        assert await seen("Root=1-g") == ["Root=1-g"] * 3
        assert await seen("Root=1-h", "clear") == ["Root=1-h"] * 3
        assert await seen("Root=1-i") == ["Root=1-i"] * 3

    play(scenario)
