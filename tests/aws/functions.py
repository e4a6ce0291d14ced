"""Functions as tests of Lambda make and call them."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from typing import Any

SOURCE = """
import json, os, sys, time

def handler(event, context):
    what = event.get("do")
    if what == "raise":
        raise ValueError("boom")
    if what == "exit":
        os._exit(3)
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "hog":
        return len(bytearray(700 << 20))
    if what == "marshal":
        return object()
    if what == "big":
        return "x" * (7 << 20)
    if what == "environment":
        return dict(os.environ)
    if what == "print":
        print(event["text"])
    if what == "identity":
        import boto3
        return boto3.client("sts").get_caller_identity()["Arn"]
    if what == "disk":
        try:
            with open("/tmp/big", "wb") as file:
                for _ in range(1024):
                    file.write(bytes(1 << 20))
        except OSError as error:
            return error.strerror
    context_of = context.client_context
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "version": context.function_version,
        "custom": context_of.custom if context_of else None,
    }
"""


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, text in files.items():
            opened.writestr(zipfile.ZipInfo(name.replace("__", ".")), text)
    return packed.getvalue()


def executable(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = (stat.S_IFREG | 0o755) << 16
        opened.writestr(entry, text)
    return packed.getvalue()


def make(client: Any, account: str, name: str = "hello", source: str = SOURCE, **settings: Any) -> str:
    request = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Role": f"arn:aws:iam::{account}:role/r",
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(app__py=source)},
        "Timeout": 20,
    }
    made = client.create_function(**(request | settings))
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return str(made["FunctionArn"])


def call(client: Any, name: str = "hello", event: Any = None, **options: Any) -> tuple[Any, dict[str, Any]]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}), **options)
    body = answer["Payload"].read()
    return (json.loads(body) if body else None), answer
