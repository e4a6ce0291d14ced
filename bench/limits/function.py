"""A function's process at its leanest: the Runtime API over the inherited socket whose number is the first argument.

Started with `python -I -S`; imports nothing but what it needs. The answer and the next GET leave in one write.
"""

import json
import socket
import sys

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"


def handler(event: object, context: dict[str, str]) -> dict[str, object]:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"hello": "world"})}


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.sendall(NEXT)
    buffer = b""
    while True:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            piece = channel.recv(65536)
            if not piece:
                return
            buffer += piece
            continue
        headers = dict(line.split(b": ", 1) for line in buffer[:end].split(b"\r\n")[1:])
        length = end + 4 + int(headers[b"content-length"])
        while len(buffer) < length:
            buffer += channel.recv(65536)
        body, buffer = buffer[end + 4 : length], buffer[length:]
        if b"lambda-runtime-aws-request-id" not in headers:
            continue  # the answer to a POST
        context = {name.decode(): value.decode() for name, value in headers.items()}
        answer = json.dumps(handler(json.loads(body), context)).encode()
        head = (
            b"POST /2018-06-01/runtime/invocation/%b/response HTTP/1.1\r\nHost: runtime\r\nContent-Length: %d\r\n\r\n"
        )
        channel.sendall(head % (headers[b"lambda-runtime-aws-request-id"], len(answer)) + answer + NEXT)


main()
