"""Cold starts: the first Invoke of functions that never ran, one after the other."""

from __future__ import annotations

import io
import statistics
import sys
import time
import zipfile
from typing import Any

PLAIN = "def handler(event, context):\n    return {'hello': 'world'}\n"
WITH_BOTO3 = "import boto3\n\n\ndef handler(event, context):\n    boto3.client('s3')\n    return {'hello': 'world'}\n"
ROLE = "arn:aws:iam::000000000000:role/bench"
RUNTIME = f"python3.{sys.version_info.minor}"


def client(url: str) -> Any:
    """A Lambda client that never tries twice."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=60),
    )


def first_invokes(url: str, source: str, count: int) -> list[float]:
    """Milliseconds of the first Invoke of each of `count` new functions, as a client sees them."""
    functions, found = client(url), []
    for number in range(count):
        name = f"cold-{time.monotonic_ns()}"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as package:
            package.writestr("index.py", f"{source}# {number} {name}\n")
        functions.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": buffer.getvalue()},
            MemorySize=256,
            Timeout=30,
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        began = time.perf_counter()
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        payload = answer["Payload"].read()
        found.append((time.perf_counter() - began) * 1e3)
        if b"world" not in payload:
            raise RuntimeError(f"the function did not run: {payload[:300]!r}")
        functions.delete_function(FunctionName=name)
    return found


def p50(url: str, source: str, count: int) -> float:
    """The median of `first_invokes`."""
    return statistics.median(first_invokes(url, source, count))
