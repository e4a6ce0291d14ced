"""The template process of which function instances are forked, and the first process (init) of each instance.

    freehold_zygote.py zygote CONTROL_FD [DIRECTORY...]   one fork per request; boto3 preloaded from the directories
    freehold_zygote.py single API_FD LOG_FD CONTROL_FD     be one instance (where forking in a sandbox is refused)
    freehold_zygote.py wrapped                             the runtime alone, started by a function's wrapper script

It runs no user code, opens no connection and starts no thread. A request is a JSON object with three descriptors:
the Runtime API's socket, the log pipe, and the instance's control socket, and more if it may enter its cgroups by
itself. On the control socket the instance says `H` (its credentials tell the server its pid), or `H1` when it is in its
cgroups, waits for `G` (it is in them), and at the end `X<status>`, the wait status of the runtime; `E<text>` says why a
wall could not be built, `F<errno> <path>` which program did not start.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import freehold_cage as cage
import freehold_client as client
import freehold_sdk as sdk

del sys.path[0]

_API, _CONTROL = 3, 4
_MAX_REQUEST = 180_000
_MAX_DESCRIPTORS = 16
_DEFAULT_SIGNALS = (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM)


def serve(control_fd, sdk_directories):
    """Fork an instance per request until the server goes away."""
    if sdk_directories:
        sdk.preload(sdk_directories)
    control = socket.socket(fileno=control_fd)
    own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(b"R")
    while True:
        message, ancillary, _flags, _address = control.recvmsg(_MAX_REQUEST, socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS))
        if not message:
            return
        descriptors = struct.unpack(f"{len(ancillary[0][2]) // 4}i", ancillary[0][2])
        try:
            cage.unshare(cage.NEWPID)
            pid = os.fork()
        except OSError as problem:
            _report(descriptors[2], problem)
            pid = -1
        if pid == 0:
            os.close(own_namespace)
            _instance(json.loads(message), descriptors, forked=True)
        cage.setns(own_namespace, cage.NEWPID)
        for descriptor in descriptors:
            os.close(descriptor)


def _report(control_fd, problem):
    try:
        os.write(control_fd, b"E" + str(problem).encode())
    except OSError:
        pass


def _instance(request, descriptors, forked):
    """Become the init of an instance; never returns."""
    try:
        for number in _DEFAULT_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        placed = _enter_groups(descriptors[3:])
        _arrange(descriptors[:3])
        os.write(_CONTROL, b"H1" if placed else b"H")
        if forked:
            cage.enter(request)
        elif request.get("subreaper"):
            cage.become_subreaper()
        if os.read(_CONTROL, 16) != b"G":
            os._exit(0)
        cage.confine(request)
        os.chdir(request["cwd"])
        runtime = os.fork()
        if runtime:
            _reap(runtime)
        _become_runtime(request)
    except BaseException as problem:
        _report(_CONTROL, problem)
    finally:
        os._exit(70)


def _enter_groups(entrances):
    """Go into the cgroups. False where that is the server's business."""
    try:
        for entrance in entrances:
            os.write(entrance, b"0")
            os.close(entrance)
    except OSError:
        return False
    return bool(entrances)


def _arrange(descriptors):
    """0 reads nothing, 1 and 2 are the log, 3 the Runtime API, 4 the control socket; everything else is closed."""
    high = [os.dup(descriptor) if descriptor < 8 else descriptor for descriptor in descriptors]
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (high[1], 1), (high[1], 2), (high[0], _API), (high[2], _CONTROL)):
        os.dup2(source, target)
    os.closerange(5, 64)


def _reap(runtime):
    """Wait for the runtime, and for orphans; the end of this process is the end of the instance."""
    cage.hide_from_ptrace()
    os.closerange(0, _CONTROL)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == runtime:
            os.write(_CONTROL, b"X%d" % status)
            if os.getpid() != 1:
                os.killpg(0, signal.SIGKILL)
            os._exit(0)


def _execute(request, command):
    """Become a program. What the kernel says against it is told as `F<errno> <path>`."""
    os.set_inheritable(_CONTROL, False)
    os.set_inheritable(_API, request["api"])
    try:
        os.execve(command[0], command, request["environment"])
    except OSError as problem:
        os.write(_CONTROL, b"F%d %b" % (problem.errno, command[0].encode()))
        os._exit(126)


def _become_runtime(request):
    environment = request["environment"]
    if request.get("command"):
        _execute(request, request["command"])
    # As every Python starts: a closed connection is an error that code can catch, not its end.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.close(_CONTROL)
    os.environ.clear()
    os.environ.update(environment)
    sdk.settle()
    _forget_own_modules()
    client.run(_API, request["handler"])


def _forget_own_modules():
    """User code may have modules of any name, ours included; and none of ours are its business."""
    for name in [name for name in sys.modules if name.startswith("freehold_")]:
        del sys.modules[name]
    sys.argv = [""]


def _single(descriptors):
    request = json.loads(socket.socket(fileno=os.dup(descriptors[2])).recv(_MAX_REQUEST))
    _instance(request, descriptors, forked=False)


if __name__ == "__main__":
    if sys.argv[1] == "zygote":
        serve(int(sys.argv[2]), sys.argv[3:])
    elif sys.argv[1] == "wrapped":
        _forget_own_modules()
        client.run(_API, os.environ["_HANDLER"])
    else:
        _single([int(text) for text in sys.argv[2:5]])
