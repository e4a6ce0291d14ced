"""The Python side of the Runtime API: load the handler, then next, run, respond, over an inherited socket.

The response and the next GET leave in one write (HTTP pipelining): one round trip per invocation. Error documents, log
formats and the context object are those of AWS's managed Python runtimes, as documented for Lambda.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import resource
import site
import socket
import sys
import time
import traceback
import types
from datetime import datetime, timezone

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
_RECORD_SEPARATOR = "\x1e"
"""Stands for a newline inside one log event on the log pipe; the server restores it."""


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
        """The next answer: its status, its headers (lower case) and its body."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            piece = self._socket.recv(262144)
            if not piece:
                os._exit(0)
            buffer += piece
            end = buffer.find(b"\r\n\r\n")
        lines = buffer[:end].decode().split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = buffer[end + 4 :]
        length = int(headers.get("content-length", 0))
        if len(body) < length:
            pieces = [body]
            missing = length - len(body)
            while missing > 0:
                piece = self._socket.recv(min(missing, 1048576))
                if not piece:
                    os._exit(0)
                pieces.append(piece)
                missing -= len(piece)
            body = b"".join(pieces)
        self._buffer = body[length:]
        return lines[0][9:12], headers, body[:length]

    def next(self):
        """The next event. Answers to earlier posts are passed over; a refused post has been dealt with by the server."""
        while True:
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


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        environment = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = None
        client = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        identity = headers.get("lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity")  # fmt: skip
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in shown)


# ---------------------------------------------------------------- logs


class _RequestId(logging.Filter):
    """Gives every record the id of the invocation that is running."""

    current = ""

    def filter(self, record):
        record.aws_request_id = self.current
        return True


class _Handler(logging.Handler):
    """One record is one event in the log, whatever newlines it has."""

    def emit(self, record):
        try:
            _write_event(self.format(record).rstrip("\n"))
        except Exception:
            self.handleError(record)


def _write_event(text):
    sys.stdout.write(text.replace("\n", _RECORD_SEPARATOR) + "\n")


_PLAIN_FIELDS = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message", "asctime", "aws_request_id", "taskName", "color_message",
}  # fmt: skip


class _JsonFormatter(logging.Formatter):
    """Lambda's JSON log format."""

    def format(self, record):
        document = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, problem, trace = record.exc_info
            document["stackTrace"] = [line.rstrip("\n") for line in traceback.format_tb(trace)]
            document["errorType"] = kind.__name__
            document["errorMessage"] = str(problem)
            document["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        for name, value in record.__dict__.items():
            if name not in _PLAIN_FIELDS and name not in document:
                document[name] = value
        document["requestId"] = record.aws_request_id
        return json.dumps(document, default=str, ensure_ascii=False)


def _timestamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _set_up_logging(as_json):
    handler = _Handler()
    handler.addFilter(_RequestId())
    root = logging.getLogger()
    if as_json:
        handler.setFormatter(_JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        names = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
        root.setLevel(names.get(level, level))
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root.addHandler(handler)


def _log_error(document, as_json):
    if as_json:
        _write_event(json.dumps({"timestamp": _timestamp(time.time()), "log_level": "ERROR", **document}))
        return
    text = "[ERROR] %s: %s" % (document["errorType"], document["errorMessage"])
    if document["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(document["stackTrace"])
    _write_event(text.rstrip("\n"))


# ---------------------------------------------------------------- results and errors


def _default(value):
    """DynamoDB's numbers are Decimals: they are written as the numbers they are."""
    import decimal

    if isinstance(value, decimal.Decimal):
        return "\x00decimal:%s" % value
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


_DECIMAL = re.compile(r'"\\u0000decimal:([^"]*)"')
_ENCODER = json.JSONEncoder(ensure_ascii=sys.version_info < (3, 12), default=_default)


def _marshal(result):
    try:
        text = _ENCODER.encode(result)
        if "\\u0000decimal:" in text:
            text = _DECIMAL.sub(r"\1", text)
        return text.encode()
    except Exception as problem:
        raise _Fault("Runtime.MarshalError", "Unable to marshal response: %s" % problem) from None


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
        raise _Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, problem)) from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise _Fault(
            "Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as problem:
        text = "Unable to import module '%s': %s" % (module_name, problem)
        raise _Fault("Runtime.ImportModuleError", text) from None
    except SyntaxError as problem:
        where = ['  File "%s" Line %s\n    %s' % (problem.filename, problem.lineno, problem.text)]
        text = "Syntax error in module '%s': %s" % (module_name, problem)
        raise _Fault("Runtime.UserCodeSyntaxError", text, where) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise _Fault("Runtime.HandlerNotFound", text) from None


# ---------------------------------------------------------------- the loop


def _prepare():
    """The interpreter as a function finds it: its paths, its streams, the names that site gives."""
    for add in (site.setquit, site.setcopyright, site.sethelper):
        add()
    minor = "python%d.%d" % sys.version_info[:2]
    user = os.environ.get("PYTHONPATH", "").split(":")
    root = os.environ["LAMBDA_TASK_ROOT"]
    wanted = [root, "/opt/python/lib/%s/site-packages" % minor, "/opt/python"]
    sys.path[:0] = wanted
    sys.path += [path for path in [os.environ["LAMBDA_RUNTIME_DIR"], *user] if path and path not in sys.path]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    time.tzset()
    for name in ("stdout", "stderr"):
        number = 1 if name == "stdout" else 2
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    sys.stdin = open(0)
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
                sys.stderr.write("%s\n" % stop.code)
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
    _set_up_logging(as_json)
    try:
        handler = _load(handler_name)
    except Exception as problem:
        document = _document(problem, "", 2)
        _log_error(document, as_json)
        channel.send(_head(b"init/error", json.dumps(document).encode()))
        channel.receive()
        sys.exit(1)
    channel.send(_NEXT)
    while True:
        headers, body = channel.next()
        request_id = _RequestId.current = headers["lambda-runtime-aws-request-id"]
        trace = headers.get("lambda-runtime-trace-id")
        if trace is not None:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        try:
            answer = _run_one(handler, headers, body)
            path = b"invocation/%b/response" % request_id.encode()
        except Exception as problem:
            document = _document(problem, request_id, 2)
            _log_error(document, as_json)
            answer = json.dumps(document).encode()
            path = b"invocation/%b/error" % request_id.encode()
        sys.stdout.flush()
        sys.stderr.flush()
        channel.send(_head(path, answer) + _NEXT)


def _head(path, body):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (
        b"POST /2018-06-01/runtime/%b HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
        b"Freehold-Peak-Kb: %d\r\nContent-Length: %d\r\n\r\n%b" % (path, peak, len(body), body)
    )


def _run_one(handler, headers, body):
    try:
        event = json.loads(body.decode()) if body else {}
    except ValueError as problem:
        raise _Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % problem) from None
    return _marshal(handler(event, LambdaContext(headers)))
