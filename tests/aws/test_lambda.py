"""Lambda over the wire: functions that really run, in their sandbox."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.functions import call, make, zipped

Client = Callable[..., Any]


def test_a_function_runs_and_sees_its_context(aws: Client, account: str) -> None:
    client = aws("lambda")
    arn = make(client, account)
    context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    result, answer = call(client, event={"x": 1}, ClientContext=context, LogType="Tail")
    assert result == {"event": {"x": 1}, "arn": arn, "version": "$LATEST", "custom": {"a": "b"}}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id} Version: $LATEST\n" in tail
    assert f"END RequestId: {request_id}\n" in tail
    assert f"REPORT RequestId: {request_id}\tDuration: " in tail
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in tail and "\tInit Duration: " in tail


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("raise", "ValueError", "boom"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("marshal", "Runtime.MarshalError", "Unable to marshal response: Object of type object is not JSON"),
        ("big", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size (6291556 bytes)."),
        ("hog", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ],
)
def test_errors_are_lambda_s(aws: Client, account: str, what: str, kind: str, message: str) -> None:
    client = aws("lambda")
    make(client, account)
    result, answer = call(client, event={"do": what})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert result["errorType"] == kind and message in result["errorMessage"]
    if what == "raise":
        assert result["stackTrace"] == ['  File "/var/task/app.py", line 7, in handler\n    raise ValueError("boom")\n']
        assert result["requestId"] == answer["ResponseMetadata"]["RequestId"]
    if what in ("exit", "hog"):
        assert result["errorMessage"].startswith(f"RequestId: {answer['ResponseMetadata']['RequestId']} Error: ")
    again, _ = call(client)
    assert again["version"] == "$LATEST", "the function runs again after its instance died"


def test_a_timeout_ends_the_invocation(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, Timeout=1)
    begun = time.monotonic()
    result, answer = call(client, event={"do": "sleep", "seconds": 10}, LogType="Tail")
    assert time.monotonic() - begun < 5
    assert answer["FunctionError"] == "Unhandled"
    assert result["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert (
        "Task timed out after 1.00 seconds" in tail and "\tDuration: 1000.00 ms\t" in tail and "Status: timeout" in tail
    )


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("import nothing_like_it", "app.handler", "Runtime.ImportModuleError"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound"),
        ("def f(:", "app.f", "Runtime.UserCodeSyntaxError"),
        ("raise KeyError('a')", "app.f", "KeyError"),
        ("x = 1", "missing.handler", "Runtime.ImportModuleError"),
    ],
)
def test_what_cannot_be_loaded_says_why(aws: Client, account: str, source: str, handler: str, kind: str) -> None:
    client = aws("lambda")
    make(client, account, source=source, Handler=handler)
    result, answer = call(client)
    assert answer["FunctionError"] == "Unhandled" and result["errorType"] == kind, result


def test_payload_limits_and_what_is_not_json(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account)
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName="hello", Payload=b'"' + b"x" * 6_291_456 + b'"')
    assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "Request must be smaller than 6291456 bytes for the InvokeFunction operation" in str(caught.value)
    with pytest.raises(
        client.exceptions.InvalidRequestContentException, match="Could not parse request body into json"
    ):
        client.invoke(FunctionName="hello", Payload=b"{nope")
    with pytest.raises(ClientError, match="byte payload is too large for the Event invocation type"):
        client.invoke(FunctionName="hello", InvocationType="Event", Payload=b'"' + b"x" * 1_048_577 + b'"')
    with pytest.raises(client.exceptions.ResourceNotFoundException, match=f":{account}:function:gone"):
        client.invoke(FunctionName="gone")


def test_throttles_say_why(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account)
    client.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="hello")
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert "Rate Exceeded." in str(caught.value)
    client.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=1)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(call, client, "hello", {"do": "sleep", "seconds": 1}) for _ in range(4)]
    refused = [future for future in asked if future.exception() is not None]
    assert len(refused) == 3


def test_the_environment_is_lambda_s(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, Environment={"Variables": {"COLOR": "red"}}, MemorySize=256)
    found, _ = call(client, event={"do": "environment"})
    assert found["COLOR"] == "red" and found["AWS_REGION"] == "us-east-1"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == "hello" and found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert found["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/hello" and found["_HANDLER"] == "app.handler"
    assert found["AWS_ENDPOINT_URL"].startswith("http://") and found["AWS_SESSION_TOKEN"]
    who, _ = call(client, event={"do": "identity"})
    assert who == f"arn:aws:sts::{account}:assumed-role/r/hello"


def test_tmp_ends_at_its_size(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, MemorySize=512, EphemeralStorage={"Size": 512})
    assert call(client, event={"do": "disk"})[0] == "No space left on device"


def test_versions_aliases_and_qualifiers(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, source="def handler(e, c): return 1", Publish=True)
    client.get_waiter("published_version_active").wait(FunctionName="hello", Qualifier="1")
    client.update_function_code(FunctionName="hello", ZipFile=zipped(app__py="def handler(e, c): return 2"))
    client.get_waiter("function_updated_v2").wait(FunctionName="hello")
    client.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    assert call(client)[0] == 2
    result, answer = call(client, f"arn:aws:lambda:us-east-1:{account}:function:hello:live")
    assert (result, answer["ExecutedVersion"]) == (1, "1")
    client.publish_version(FunctionName="hello")
    client.update_alias(FunctionName="hello", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    assert {call(client, Qualifier="live")[0] for _ in range(40)} == {1, 2}


def test_layers_lie_in_opt(aws: Client, account: str) -> None:
    client = aws("lambda")
    layer = client.publish_layer_version(
        LayerName="lib", Content={"ZipFile": zipped(**{"python/mine__py": "VALUE = 42"})}
    )
    source = "import mine, os\ndef handler(e, c): return [mine.VALUE, os.path.exists('/opt/python/mine.py')]"
    make(client, account, source=source, Layers=[layer["LayerVersionArn"]])
    assert call(client)[0] == [42, True]


def test_code_comes_from_s3_and_can_be_fetched_again(aws: Client, account: str) -> None:
    client, s3 = aws("lambda"), aws("s3")
    code = zipped(app__py="def handler(e, c): return 's3'")
    s3.create_bucket(Bucket=f"code-{account}")
    s3.put_object(Bucket=f"code-{account}", Key="a/b.zip", Body=code)
    make(client, account, Code={"S3Bucket": f"code-{account}", "S3Key": "a/b.zip"})
    assert call(client)[0] == "s3"
    location = client.get_function(FunctionName="hello")["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == code
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="S3 Error Code: NoSuchKey"):
        make(client, account, "other", Code={"S3Bucket": f"code-{account}", "S3Key": "none"})


def test_events_run_after_the_answer_and_write_their_log(aws: Client, account: str) -> None:
    client, logs = aws("lambda"), aws("logs")
    make(client, account)
    answer = client.invoke(
        FunctionName="hello", InvocationType="Event", Payload=json.dumps({"do": "print", "text": "came later"})
    )
    assert answer["StatusCode"] == 202
    assert client.invoke(FunctionName="hello", InvocationType="DryRun")["StatusCode"] == 204
    deadline = time.monotonic() + 20
    messages: list[str] = []
    while time.monotonic() < deadline and not any(message.startswith("REPORT") for message in messages):
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/hello")
        except logs.exceptions.ResourceNotFoundException:
            time.sleep(0.1)
            continue
        messages = [event["message"] for event in found["events"]]
        time.sleep(0.1)
    assert "came later\n" in messages
    assert any(message.startswith("INIT_START Runtime Version: python:3.") for message in messages)
    stream = logs.describe_log_streams(logGroupName="/aws/lambda/hello")["logStreams"][0]["logStreamName"]
    assert "/[$LATEST]" in stream


def test_response_streams(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account)
    answer = client.invoke_with_response_stream(FunctionName="hello", Payload=b'{"x": 1}', LogType="Tail")
    events = list(answer["EventStream"])
    assert json.loads(events[0]["PayloadChunk"]["Payload"])["event"] == {"x": 1}
    assert "REPORT" in base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode()
    failed = client.invoke_with_response_stream(FunctionName="hello", Payload=b'{"do": "raise"}')
    complete = list(failed["EventStream"])[-1]["InvokeComplete"]
    assert json.loads(complete["ErrorDetails"])["errorType"] == "ValueError" and complete["ErrorCode"]


def test_function_urls_answer(aws: Client, account: str) -> None:
    client = aws("lambda")
    source = (
        "def handler(event, context):\n"
        "    http = event['requestContext']['http']\n"
        "    return {'statusCode': 201, 'headers': {'x-method': http['method']}, 'cookies': ['a=1'],\n"
        "            'body': event['rawPath'] + '?' + event['rawQueryString'] + event.get('body', '')}\n"
    )
    make(client, account, source=source)
    url = client.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
    request = urllib.request.Request(
        f"{url}a/b?c=d", data=b"text", method="PUT", headers={"content-type": "text/plain"}
    )
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.headers["x-method"], answer.headers["set-cookie"]) == (201, "PUT", "a=1")
        assert answer.read() == b"/a/b?c=dtext"
    client.update_function_url_config(FunctionName="hello", AuthType="AWS_IAM")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert caught.value.code == 403
    assert json.loads(caught.value.read()) == {"Message": "Forbidden"}


def test_what_is_missing_is_refused_by_name(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account)
    for refused in (
        lambda: client.put_provisioned_concurrency_config(
            FunctionName="hello", Qualifier="1", ProvisionedConcurrentExecutions=1
        ),
        lambda: client.create_event_source_mapping(
            FunctionName="hello", EventSourceArn="arn:aws:sqs:us-east-1:111122223333:q"
        ),
        lambda: make(client, account, "image", PackageType="Image"),
    ):
        with pytest.raises(ClientError) as caught:
            refused()
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="java21"):
        make(client, account, "java", Runtime="java21")


def test_json_logs_are_records(aws: Client, account: str) -> None:
    client = aws("lambda")
    source = (
        "import logging\nlog = logging.getLogger()\n"
        "def handler(event, context):\n    log.info('quiet')\n    log.error('loud')\n"
    )
    make(client, account, source=source, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"})
    _, answer = call(client, LogType="Tail")
    records = [json.loads(line) for line in base64.b64decode(answer["LogResult"]).decode().splitlines()]
    assert [record.get("message", record.get("type")) for record in records] == [
        "platform.start",
        "loud",
        "platform.report",
    ]
    assert records[1]["level"] == "ERROR" and records[1]["requestId"] == answer["ResponseMetadata"]["RequestId"]


def test_the_deprecated_asynchronous_form(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account)
    assert client.invoke_async(FunctionName="hello", InvokeArgs=b"{}")["Status"] == 202


def test_settings_that_tools_read_are_at_their_defaults(aws: Client, account: str) -> None:
    client = aws("lambda")
    arn = make(client, account)
    assert client.get_function_code_signing_config(FunctionName="hello")["FunctionName"] == "hello"
    assert client.get_runtime_management_config(FunctionName="hello")["FunctionArn"] == arn


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_streaming_url_passes_on_what_the_function_writes(aws: Client, account: str) -> None:
    client = aws("lambda")
    source = """
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
            const head = {statusCode: 202, headers: {"x-head": "1", "content-type": "text/plain"}};
            const body = awslambda.HttpResponseStream.from(stream, head);
            body.write("one ");
            await new Promise((resolve) => setTimeout(resolve, 300));
            body.write("two");
            body.end();
        });
    """
    make(client, account, Runtime="nodejs22.x", Handler="index.handler", Code={"ZipFile": zipped(index__js=source)})
    made = client.create_function_url_config(FunctionName="hello", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    with urllib.request.urlopen(made["FunctionUrl"]) as answer:
        assert (answer.status, answer.headers["x-head"]) == (202, "1")
        assert answer.read(4) == b"one "
        begun = time.monotonic()
        assert answer.read() == b"two"
        assert time.monotonic() - begun > 0.1, "the first piece did not wait for the second"
