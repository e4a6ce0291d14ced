"""The root that instances see, as arguments of bubblewrap: read-only, and only what a runtime needs.

System libraries and tools, the interpreter, boto3's packages and the bootstraps under /var/runtime, the host's name
resolution and certificates. Not: homes, the server's files, the host's site-packages, writable directories.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freehold.runtime.interpreters import Interpreter

BOOTSTRAP = Path(__file__).parent / "bootstrap"
RUNTIME_DIRECTORY = "/var/runtime"
_CAP_SETGID, _CAP_SETUID = 6, 7
CODE = "/.code"
"""Where the zygote sees code packages; every instance covers it."""
_USR = ("bin", "sbin", "lib", "lib64", "lib32", "libexec", "libx32")
_SHARE = ("zoneinfo", "ca-certificates", "nodejs", "locale", "terminfo", "i18n", "misc")
_ETC = ("resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf", "ssl/certs", "ssl/openssl.cnf", "ld.so.cache",
        "ld.so.conf", "ld.so.conf.d", "localtime", "alternatives", "mime.types", "services", "protocols",
        "ca-certificates", "pki")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Host:
    """What the sandbox may take from this host."""

    bubblewrap: str | None
    users: range | None
    """Host users of which every instance gets its own; None where the server may not give any."""
    packages: dict[str, Path] = field(default_factory=dict)
    node: str | None = None
    node_modules: Path | None = None

    @staticmethod
    def find_bubblewrap() -> str | None:
        return shutil.which("bwrap") or shutil.which("bwrap", path="/usr/bin:/usr/local/bin")


_FIRST_USER, _USERS = 700_000_000, 50_000_000
_FEWEST_USERS = 10_000


def instance_users() -> range | None:
    """Host users for instances: far from those of people, services and containers. None where the server may not set any.

    In a container that maps few users, the last of them.
    """
    if os.geteuid() != 0:
        return None
    status = Path("/proc/self/status").read_text()
    capabilities = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    if not (capabilities >> _CAP_SETUID & 1 and capabilities >> _CAP_SETGID & 1):
        return None
    mapped = min(_largest_mapped("uid"), _largest_mapped("gid"))
    if mapped >= _FIRST_USER + _USERS:
        return range(_FIRST_USER, _FIRST_USER + _USERS)
    return range(mapped - _FEWEST_USERS // 2, mapped) if mapped >= 2 * _FEWEST_USERS else None


def _largest_mapped(kind: str) -> int:
    """One more than the largest user or group that this user namespace knows."""
    lines = [line.split() for line in Path(f"/proc/self/{kind}_map").read_text().splitlines()]
    return max((int(inside) + int(count) for inside, _outside, count in lines), default=0)


class _Layout:
    """Arguments in order; a target's parents are made traversable but not readable."""

    def __init__(self) -> None:
        self.arguments: list[str] = []
        self._made: set[str] = {"/"}

    def directory(self, path: str, mode: str = "0755") -> None:
        if path in self._made:
            return
        self.directory(os.path.dirname(path), "0711" if mode == "0711" else "0755")
        self._made.add(path)
        self.arguments += ["--perms", mode, "--dir", path]

    def bind(self, source: str | Path, target: str) -> None:
        if os.path.exists(source):
            self.directory(os.path.dirname(target), "0711")
            self.arguments += ["--ro-bind", str(source), target]
            self._made.add(target)

    def empty(self, path: str) -> None:
        self.arguments += ["--tmpfs", path, "--remount-ro", path]


def command(
    host: Host, interpreter: Interpreter, code_roots: Sequence[Path], accounts: Path, inner: Iterable[str] = ()
) -> list[str]:
    """bubblewrap's command line up to the program. `accounts` holds passwd and group files of the sandbox."""
    assert host.bubblewrap is not None
    layout = _Layout()
    for path in ("/usr", "/etc", "/var", "/var/runtime", "/var/task", "/opt", "/tmp", "/proc", "/dev", CODE, "/run"):
        layout.directory(path)
    layout.arguments += ["--tmpfs", CODE]
    _bind_system(layout)
    _bind_etc(layout, accounts)
    _bind_interpreter(layout, interpreter)
    _bind_runtime(layout, host)
    for index, root in enumerate(code_roots):
        layout.bind(root, f"{CODE}/{index}")
    arguments = [host.bubblewrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--clearenv"]
    arguments += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]
    if host.users is not None or os.geteuid() == 0:
        arguments += ["--cap-add", "ALL"]
    else:
        arguments += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    arguments += layout.arguments
    arguments += ["--dev", "/dev", "--proc", "/proc", *inner, "--remount-ro", "/dev", "--remount-ro", "/"]
    return [*arguments, "--chdir", "/"]


def _bind_system(layout: _Layout) -> None:
    for name in _USR:
        layout.bind(f"/usr/{name}", f"/usr/{name}")
        if os.path.islink(f"/{name}"):
            layout.arguments += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        else:
            layout.bind(f"/{name}", f"/{name}")
    for name in _SHARE:
        layout.bind(f"/usr/share/{name}", f"/usr/share/{name}")
    for packages in ("/usr/lib/python3/dist-packages", "/usr/lib/python3/site-packages"):
        if os.path.isdir(packages):
            layout.empty(packages)


def _bind_etc(layout: _Layout, accounts: Path) -> None:
    for name in _ETC:
        if os.path.exists(f"/etc/{name}"):
            layout.directory(os.path.dirname(f"/etc/{name}"))
            layout.bind(os.path.realpath(f"/etc/{name}"), f"/etc/{name}")
    for name in ("passwd", "group"):
        layout.bind(accounts / name, f"/etc/{name}")


def _bind_interpreter(layout: _Layout, interpreter: Interpreter) -> None:
    prefix = interpreter.prefix
    if prefix == "/usr":
        return
    if prefix == "/usr/local":
        for name in ("bin", "lib"):
            layout.bind(f"{prefix}/{name}", f"{prefix}/{name}")
    else:
        layout.bind(prefix, prefix)
    packages = f"{prefix}/lib/{interpreter.name}/site-packages"
    if os.path.isdir(packages):
        layout.empty(packages)


def _bind_runtime(layout: _Layout, host: Host) -> None:
    for name, path in host.packages.items():
        layout.bind(path, f"{RUNTIME_DIRECTORY}/{name}")
    layout.bind(BOOTSTRAP, f"{RUNTIME_DIRECTORY}/freehold")
    if host.node is not None and not host.node.startswith("/usr/bin/"):
        layout.bind(host.node, host.node)
    if host.node_modules is not None and host.node_modules.is_dir():
        layout.bind(host.node_modules, f"{RUNTIME_DIRECTORY}/node_modules")
        # Where ECMAScript modules look, which know no NODE_PATH.
        layout.arguments += ["--symlink", f"{RUNTIME_DIRECTORY}/node_modules", "/node_modules"]
    layout.arguments += ["--symlink", "/opt/nodejs/node_modules", "/var/node_modules"]


def write_accounts(directory: Path) -> Path:
    """passwd and group of the sandbox: root and the sandbox user, with the uids that instances may have."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "passwd").write_text(
        "root:x:0:0:root:/:/usr/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/usr/sbin/nologin\n"
    )
    (directory / "group").write_text("root:x:0:\nsbx_user1051:x:990:\n")
    return directory
