"""The walls of a function instance: system calls by ctypes, in the order that the kernel wants them.

Runs inside the zygote and in the first process of every instance, under any Python from 3.8 on; knows nothing of
functions. `enter` builds the mount view, `confine` gives up every privilege. Both are one-way.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
_NEW_ANYTHING = 0x7E020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC = 1, 2, 4, 8, 4096, 16384
_MNT_DETACH = 2
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CHILD_SUBREAPER = 4, 22, 24, 38, 36
_USER = "sbx_user1051"
"""As Lambda calls its sandbox user."""
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT, _LANDLOCK_SCOPES = 444, 446, 3

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(what, result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags):
    _call("unshare", _libc.unshare(ctypes.c_int(flags)))


def setns(fd, kind):
    _call("setns", _libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)))


def mount(source, target, kind, flags, data=None):
    encoded = None if data is None else data.encode()
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), encoded)
    _call(f"mount {target}", result)


def _prctl(option, value=0, extra=None):
    return _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), extra, ctypes.c_ulong(0), ctypes.c_ulong(0))


def become_subreaper():
    _prctl(_PR_CHILD_SUBREAPER, 1)


def hide_from_ptrace():
    """No process of the same user may read or trace this one."""
    _prctl(_PR_SET_DUMPABLE, 0)


def enter(request):
    """A private view of the file system: the package, its layers, an own /tmp and /proc, and nothing of other functions.

    The caller is the first process of a new pid namespace, with the privilege to mount.
    """
    unshare(NEWNS | NEWIPC | NEWUTS)
    mount(request["code"], "/var/task", "", _MS_BIND | _MS_REC)
    if request.get("opt"):
        mount(request["opt"], "/opt", "", _MS_BIND | _MS_REC)
    size, owner = request["ephemeral_mb"], request["owner"]
    options = f"size={size}m,nr_inodes={max(65536, size * 256)},mode=0700,uid={owner},gid={owner}"
    mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    if owner:
        _name_user(owner)
    mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for covered in ("/.code", "/dev/pts"):
        _call(f"umount {covered}", _libc.umount2(covered.encode(), _MNT_DETACH))
    name = b"169.254.100.6"
    _libc.sethostname(name, ctypes.c_size_t(len(name)))


def _name_user(uid):
    """Give the instance's user its name and home: programs ask the system for them, and fail where it has no answer."""
    file, home = "/tmp/.passwd", f"/home/{_USER}"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as accounts:
        accounts.write(f"root:x:0:0:root:/:/usr/sbin/nologin\n{_USER}:x:{uid}:{uid}::{home}:/usr/sbin/nologin\n")
    os.chmod(file, 0o444)
    mount(file, "/etc/passwd", "", _MS_BIND)
    os.unlink(file)


def set_limits(limits):
    """Resource limits by name, e.g. {"NPROC": 1024}."""
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        resource.setrlimit(kind, (value, value))


def confine(request):
    """Give up privileges for good: an unprivileged user, no capabilities, none to regain, a filter on system calls."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")
    uid = request.get("uid")
    if uid is not None:
        _drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    elif request.get("nested_user"):
        _enter_user_namespace(request["nested_user"])
        _drop_bounding_set()
    set_limits(request["limits"])
    _drop_capabilities()
    _call("no_new_privs", _prctl(_PR_SET_NO_NEW_PRIVS, 1))
    _scope_landlock()
    if request.get("seccomp", True):
        _filter_system_calls()


def _enter_user_namespace(uid):
    own, group = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    for path, text in (
        ("/proc/self/setgroups", "deny"),
        ("/proc/self/uid_map", f"{uid} {own} 1"),
        ("/proc/self/gid_map", f"{uid} {group} 1"),
    ):
        with open(path, "w") as file:
            file.write(text)


def _drop_bounding_set():
    for capability in range(64):
        if _prctl(_PR_CAPBSET_DROP, capability) < 0:
            break


def _drop_capabilities():
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", _libc.capset(header, bytes(24)))


def _scope_landlock():
    """Keep abstract sockets and signals of others out of reach, where the kernel can (6.12)."""
    attributes = struct.pack("QQQ", 0, 0, _LANDLOCK_SCOPES)
    size = ctypes.c_size_t(len(attributes))
    ruleset = _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), attributes, size, ctypes.c_uint(0))
    if ruleset >= 0:
        _libc.syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint(0))
        os.close(ruleset)


# What a function never needs: mounting, namespaces, kernel keys, modules, tracing, clocks, raw handles, io_uring.
_REFUSED = {
    "x86_64": (
        165, 166, 155, 161, 308, 321, 246, 320, 175, 313, 176, 250, 248, 249, 298, 101, 310, 311, 323, 304, 303,
        169, 167, 168, 164, 227, 163, 179, 172, 173, 103, 428, 429, 430, 431, 432, 433, 442, 212, 180, 153, 170, 171,
    ),
    "aarch64": (
        40, 39, 41, 51, 268, 280, 104, 294, 105, 273, 106, 219, 217, 218, 241, 117, 270, 271, 282, 265, 264,
        142, 224, 225, 170, 112, 89, 60, 116, 428, 429, 430, 431, 432, 433, 442, 58, 161, 162,
    ),
}  # fmt: skip
_ABSENT = (425, 426, 427, 435)  # io_uring_*, clone3: libraries fall back when told that they do not exist
_NUMBERS = {"x86_64": (0xC000003E, 56, 272, 41), "aarch64": (0xC00000B7, 220, 97, 198)}  # arch, clone, unshare, socket
_AF_VSOCK = 40
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97


def _program():
    """The filter as classic BPF. Offsets of seccomp_data: nr 0, arch 4, first argument 16."""
    machine = platform.machine()
    if machine not in _NUMBERS:
        return None
    arch, clone, unshare_number, socket_number = _NUMBERS[machine]
    load, equal, greater, bits, done = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, allow = 0x00050000, 0x7FFF0000
    code = [(load, 0, 0, 4), (equal, 1, 0, arch), (done, 0, 0, 0x80000000), (load, 0, 0, 0)]
    code += [(greater, 0, 1, 0x40000000), (done, 0, 0, refuse | _ENOSYS)]
    for number in _REFUSED[machine]:
        code += [(equal, 0, 1, number), (done, 0, 0, refuse | _EPERM)]
    for number in _ABSENT:
        code += [(equal, 0, 1, number), (done, 0, 0, refuse | _ENOSYS)]
    for number in (clone, unshare_number):
        code += [(equal, 0, 4, number), (load, 0, 0, 16), (bits, 0, 1, _NEW_ANYTHING), (done, 0, 0, refuse | _EPERM)]
        code += [(done, 0, 0, allow)]
    code += [(equal, 0, 3, socket_number), (load, 0, 0, 16), (equal, 0, 1, _AF_VSOCK)]
    code += [(done, 0, 0, refuse | _EAFNOSUPPORT), (done, 0, 0, allow)]
    return b"".join(struct.pack("HBBI", *line) for line in code)


_PROGRAM = _program()


def _filter_system_calls():
    if _PROGRAM is None:
        raise OSError(_ENOSYS, "no system call filter for this architecture")
    buffer = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    header = struct.pack("HxxxxxxP", len(_PROGRAM) // 8, ctypes.addressof(buffer))
    _call("seccomp", _prctl(_PR_SET_SECCOMP, 2, header))
