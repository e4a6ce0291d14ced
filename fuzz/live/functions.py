"""Functions of the fuzzed account: one that answers as its event says, and one that abuses its Runtime API."""

ECHO = '''
def handler(event, context):
    """What came; or, for a front door's event, what its query asks for: odd answers of every shape."""
    asked = event.get("queryStringParameters") if isinstance(event, dict) else None
    kind = (asked or {}).get("answer", "") if isinstance(asked, dict) else ""
    deep = "x"
    for _ in range(300):
        deep = [deep]
    return {
        "status": {"statusCode": "nonsense"},
        "number": {"statusCode": 99999, "body": 1},
        "headers": {"statusCode": 200, "headers": {"a\\\\r\\\\nb": "c\\\\r\\\\nd: e", "x": None, "y": ["z"]}, "body": "b"},
        "break": {"statusCode": 200, "headers": {"x": "a\\r\\nset-cookie: b"}, "body": "b"},
        "unicode": {"statusCode": 200, "headers": {"x": "\\u20ac"}, "body": "\\ud800"},
        "base64": {"statusCode": 200, "isBase64Encoded": True, "body": "!!!"},
        "cookies": {"statusCode": 200, "cookies": [1, None, "a\\nb"], "multiValueHeaders": {"a": "b"}, "body": {}},
        "deep": deep,
        "deep-body": {"statusCode": 200, "body": deep},
        "list": [1],
        "null": None,
        "length": {"statusCode": 200, "headers": {"content-length": "5", "transfer-encoding": "chunked"}, "body": "b"},
        "continue": {"statusCode": 100, "body": ""},
        "nothing": {"statusCode": 204, "body": "b"},
    }.get(kind, {"statusCode": 200, "body": "ok", "event": 1} if asked is not None else event)
'''

HOSTILE = '''#!/usr/bin/python3
"""A runtime that speaks its API badly: valid calls, cut, repeated, out of order, and bytes that are no HTTP."""
import json, os, random, socket, time

host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
PREFIX = "/2018-06-01/runtime/"
seeded = random.Random(os.getpid() + time.time_ns())


def talk(data, patience=0.2):
    with socket.create_connection((host, int(port)), 2) as connection:
        connection.settimeout(patience)
        connection.sendall(data)
        try:
            return connection.recv(1 << 16)
        except OSError:
            return b""


def call(method, path, body=b"", *headers):
    lines = [f"{method} {PREFIX}{path} HTTP/1.1", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\\r\\n".join(lines).encode() + body


def garbage(request_id):
    good = [
        call("POST", f"invocation/{request_id}/response", b"{}"),
        call("POST", f"invocation/{request_id}/error", b"[" * 3000, "Lambda-Runtime-Function-Error-Type: x" * 50),
        call("POST", "init/error", b"\\xff"),
        call("GET", "invocation/next"),
        call("POST", f"invocation/{request_id}/response", b"x", "Lambda-Runtime-Function-Response-Mode: streaming"),
        call("POST", "invocation/nothing/response", b"a" * 100_000),
        b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nffffffff\\r\\n" + b"a" * 10_000,
        seeded.randbytes(400),
        b"GET " + b"/" * 200_000,
        b"",
    ]
    data = seeded.choice(good)
    if data and seeded.random() < 0.5:
        at = seeded.randrange(len(data))
        data = data[:at] + seeded.randbytes(seeded.randrange(5)) + data[at + seeded.randrange(5):]
    return data * seeded.choice((1, 1, 2, 40))


while True:
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(call("GET", "invocation/next"))
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            head += connection.recv(65536) or exit(1)
        lines = [line.partition(b":") for line in head.split(b"\\r\\n")]
        found = [value.strip().decode() for name, _, value in lines if name.lower() == b"lambda-runtime-aws-request-id"]
        for _ in range(30):
            try:
                talk(garbage(found[0]), 0.01)
            except OSError:
                pass
        try:
            talk(call("POST", f"invocation/{found[0]}/response", json.dumps({"done": True}).encode()))
        except OSError:
            pass
'''
