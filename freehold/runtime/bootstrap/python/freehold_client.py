"""The Python side of the Runtime API: load the handler, then next, run, respond, over an inherited socket.

The response and the next GET leave in one write (HTTP pipelining): one round trip per invocation. Error documents, log
formats and the context object are those of AWS's managed Python runtimes, as documented for Lambda.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import resource
import site
import socket
import sys
import time
import traceback
import types

import freehold_logs as logs
from freehold_trace import TraceVariable

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'
"""What every post is answered with, before the next event."""
_RECEIVE = 16384
"""Bytes at a time: a buffer from which malloc makes a mapping of its own would cost three system calls an invocation."""


class _Fault(Exception):
    """An error of the runtime's own kind, with its errorType."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


# ---------------------------------------------------------------- transport


class _Channel:
    """HTTP/1.1 on one stream socket; answers come in the order of the requests."""

    def __init__(self, fd):
        self._socket = socket.socket(fileno=fd)
        self._buffer = b""

    def send(self, data):
        self._socket.sendall(data)

    def receive(self):
        """The next answer: its status, its headers (named as the server writes them) and its body."""
        buffer = self._buffer
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            buffer += self._some(_RECEIVE)
        status, *lines = buffer[:end].decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name] = value
        body = buffer[end + 4 :]
        length = int(headers["Content-Length"])
        if len(body) < length:
            pieces = [body]
            missing = length - len(body)
            while missing > 0:
                pieces.append(self._some(min(missing, 1048576)))
                missing -= len(pieces[-1])
            body = b"".join(pieces)
        self._buffer = body[length:]
        return status[9:12], headers, body[:length]

    def _some(self, most):
        piece = self._socket.recv(most)
        if not piece:
            os._exit(0)
        return piece

    def next(self):
        """The next event. Answers to earlier posts are passed over; a refused post has been dealt with by the server."""
        while True:
            buffer = self._buffer or self._some(_RECEIVE)
            self._buffer = buffer[len(_ACCEPTED) :] if buffer.startswith(_ACCEPTED) else buffer
            status, headers, body = self.receive()
            if status == "200":
                return headers, body


# ---------------------------------------------------------------- the context object


class ClientContext:
    """What a mobile client said of itself."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, document):
        self.custom = document.get("custom")
        self.env = document.get("env")
        client = document.get("client")
        self.client = _Client(client) if client else None


class _Client:
    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, document):
        for name in self.__slots__:
            setattr(self, name, document.get(name))


class CognitoIdentity:
    """Who calls, when Cognito says so."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, document):
        self.cognito_identity_id = document.get("cognitoIdentityId")
        self.cognito_identity_pool_id = document.get("cognitoIdentityPoolId")


def _constant_members():
    """What the context says of the instance, the same for every invocation."""
    return {
        "log_group_name": os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME"),
        "log_stream_name": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"),
        "function_name": os.environ.get("AWS_LAMBDA_FUNCTION_NAME"),
        "memory_limit_in_mb": os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        "function_version": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
    }


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers, constant):
        self.__dict__.update(constant)
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.tenant_id = None
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        identity = headers.get("Lambda-Runtime-Cognito-Identity")
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity")  # fmt: skip
        return "LambdaContext([{}])".format(",".join(f"{name}={getattr(self, name)}" for name in shown))


# ---------------------------------------------------------------- results and errors


def _default(value):
    """DynamoDB's numbers are Decimals: they are written as the numbers they are."""
    import decimal

    if isinstance(value, decimal.Decimal):
        return f"\x00decimal:{value}"
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_DECIMAL = re.compile(r'"\\u0000decimal:([^"]*)"')
_ASCII = sys.version_info < (3, 12)
_OPEN = {}
"""Containers that are being written: what is in them already cannot be in itself."""


def _make_encoder():
    """What json.JSONEncoder.encode makes anew for every document, made once: a function of the value that gives pieces."""
    from json import encoder

    if encoder.c_make_encoder is None:
        whole = json.JSONEncoder(ensure_ascii=_ASCII, default=_default)
        return lambda value, _indent: (whole.encode(value),)
    text = encoder.encode_basestring_ascii if _ASCII else encoder.encode_basestring
    return encoder.c_make_encoder(_OPEN, _default, text, None, ": ", ", ", False, False, True)


_ENCODE = _make_encoder()


def _marshal(result):
    try:
        text = "".join(_ENCODE(result, 0))
        if "\\u0000decimal:" in text:
            text = _DECIMAL.sub(r"\1", text)
        return text.encode()
    except Exception as problem:
        _OPEN.clear()
        raise _Fault("Runtime.MarshalError", f"Unable to marshal response: {problem}") from None


def _document(problem, request_id, skip):
    """The error document of an exception; `skip` frames are the runtime's own."""
    if isinstance(problem, _Fault):
        kind, message, trace = problem.kind, problem.message, problem.trace
    else:
        frames = traceback.extract_tb(problem.__traceback__)
        own = sum(1 for _ in frames[:skip])
        frames = [frame for frame in frames[own:] if "importlib" not in frame.filename]
        lines = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in frames]
        kind, message, trace = type(problem).__name__, str(problem), traceback.format_list(lines)
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _load(name):
    """The handler function. Raises _Fault, or what the module raised."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as problem:
        raise _Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {problem}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise _Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as problem:
        text = f"Unable to import module '{module_name}': {problem}"
        raise _Fault("Runtime.ImportModuleError", text) from None
    except SyntaxError as problem:
        where = [f'  File "{problem.filename}" Line {problem.lineno}\n    {problem.text}']
        text = f"Syntax error in module '{module_name}': {problem}"
        raise _Fault("Runtime.UserCodeSyntaxError", text, where) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = f"Handler '{function_name}' missing on module '{module_name}'"
        raise _Fault("Runtime.HandlerNotFound", text) from None


# ---------------------------------------------------------------- the loop


def _prepare():
    """The interpreter as a function finds it: its paths, its streams, the names that site gives."""
    for add in (site.setquit, site.setcopyright, site.sethelper):
        add()
    minor = "python{}.{}".format(*sys.version_info)
    user = os.environ.get("PYTHONPATH", "").split(":")
    root = os.environ["LAMBDA_TASK_ROOT"]
    wanted = [root, f"/opt/python/lib/{minor}/site-packages", "/opt/python"]
    sys.path[:0] = wanted
    sys.path += [path for path in [os.environ["LAMBDA_RUNTIME_DIR"], *user] if path and path not in sys.path]
    # Instead of importlib.invalidate_caches, which from Python 3.13 on imports importlib.metadata: 25 ms of a cold start.
    sys.path_importer_cache.clear()
    time.tzset()
    for name in ("stdout", "stderr"):
        number = 1 if name == "stdout" else 2
        stream = open(  # noqa: SIM115
            number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stdin = open(0)  # noqa: SIM115
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main


def run(fd, handler_name):
    """Serve invocations until the server ends it; never returns."""
    code = 1
    try:
        _prepare()
        _serve(_Channel(fd), handler_name)
    except SystemExit as stop:
        if isinstance(stop.code, int):
            code = stop.code & 0xFF
        else:
            code = 0 if stop.code is None else 1
            if stop.code is not None:
                sys.stderr.write(f"{stop.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        import atexit

        try:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _serve(channel, handler_name):
    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
    logs.set_up(as_json)
    try:
        handler = _load(handler_name)
    except Exception as problem:
        document = _document(problem, "", 2)
        logs.log_error(document, as_json)
        channel.send(_post(b"init/error", json.dumps(document).encode()))
        channel.receive()
        sys.exit(1)
    gc.enable()
    constant = _constant_members()
    variable = TraceVariable()
    channel.send(_NEXT)
    while True:
        headers, body = channel.next()
        request_id = logs.RequestId.current = headers["Lambda-Runtime-Aws-Request-Id"]
        trace = headers.get("Lambda-Runtime-Trace-Id")
        if trace is not None:
            variable.set(trace)
        try:
            answer = _run_one(handler, headers, body, constant)
            path = b"invocation/%b/response" % request_id.encode()
        except Exception as problem:
            document = _document(problem, request_id, 2)
            logs.log_error(document, as_json)
            answer = json.dumps(document).encode()
            path = b"invocation/%b/error" % request_id.encode()
        sys.stdout.flush()
        sys.stderr.flush()
        channel.send(_post(path, answer, _NEXT))


def _post(path, body, more=b""):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (
        b"POST /2018-06-01/runtime/%b HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
        b"Freehold-Peak-Kb: %d\r\nContent-Length: %d\r\n\r\n%b%b" % (path, peak, len(body), body, more)
    )


def _run_one(handler, headers, body, constant):
    try:
        event = json.loads(body.decode()) if body else {}
    except ValueError as problem:
        raise _Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {problem}") from None
    return _marshal(handler(event, LambdaContext(headers, constant)))
