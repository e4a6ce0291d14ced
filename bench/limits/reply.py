"""A bare uvicorn reply: `python -m bench.limits.reply PORT`. Reads the body, answers with what SendMessage would."""

from __future__ import annotations

import sys

from bench.limits.http import Receive, Scope, Send, answer, read, run

ANSWER = b'{"MD5OfMessageBody":"0123456789abcdef0123456789abcdef","MessageId":"c6104cbe-af31-11e0-8154-cbc7ccf896c7"}'


async def application(_scope: Scope, receive: Receive, send: Send) -> None:
    await read(receive)
    await answer(send, ANSWER)


if __name__ == "__main__":
    run(application, int(sys.argv[1]))
