"""What this host offers to run functions, and the way out where something is missing: the facts of `freehold doctor`."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freehold.runtime import cgroups, sandbox
from freehold.runtime.interpreters import Interpreters, sdk_packages

SDK_DIRECTORY = Path("~/.cache/freehold/node")
"""Where AWS's SDK for JavaScript is looked for, in `node_modules`, unless the pool is told otherwise."""
SDK_PACKAGES = tuple(
    f"@aws-sdk/{name}"
    for name in (
        "client-api-gateway", "client-apigatewaymanagementapi", "client-cloudformation", "client-cloudwatch",
        "client-cloudwatch-logs", "client-cognito-identity-provider", "client-dynamodb", "client-eventbridge",
        "client-firehose", "client-iam", "client-kinesis", "client-kms", "client-lambda", "client-s3",
        "client-scheduler", "client-secrets-manager", "client-sesv2", "client-sfn", "client-sns", "client-sqs",
        "client-ssm", "client-sts", "lib-dynamodb", "lib-storage", "s3-request-presigner", "util-dynamodb",
    )
)  # fmt: skip
"""The clients of the services that Freehold offers or will offer."""
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `remedy` says what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def sdk_install_command() -> list[str]:
    """What puts AWS's SDK for JavaScript where functions find it."""
    prefix = str(SDK_DIRECTORY.expanduser())
    return ["npm", "install", "--prefix", prefix, "--no-audit", "--no-fund", *SDK_PACKAGES]


def default_node_modules() -> Path | None:
    """The SDK's directory, where it is installed."""
    path = SDK_DIRECTORY.expanduser() / "node_modules"
    return path if (path / "@aws-sdk").is_dir() else None


def survey(node_modules: Path | None = None) -> list[Finding]:
    """Everything that decides how functions run here. Runs a few programs; takes up to a second."""
    interpreters = Interpreters()
    checks: tuple[Callable[[], Finding], ...] = (
        _architecture,
        _bubblewrap,
        _namespaces,
        _groups,
        _system_call_filter,
        _user,
        lambda: _pythons(interpreters),
        _boto3,
        lambda: _node(interpreters),
        lambda: _node_sdk(node_modules),
        _names,
    )
    return [check() for check in checks]


def _architecture() -> Finding:
    machine = platform.machine()
    other = "arm64" if machine == "x86_64" else "x86_64"
    return Finding("architecture", True, f"{machine}; functions declared for {other} run on {machine}")


def _bubblewrap() -> Finding:
    path = sandbox.Host.find_bubblewrap()
    if path is None:
        return Finding("bubblewrap", False, "not installed: functions run unsandboxed", "apt install bubblewrap")
    version = _run([path, "--version"])[1].strip()
    return Finding("bubblewrap", True, f"{version or path}")


def _namespaces() -> Finding:
    path = sandbox.Host.find_bubblewrap()
    if path is None:
        return Finding("namespaces", False, "not tried without bubblewrap", "apt install bubblewrap")
    command = [path, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--ro-bind", "/", "/", "--proc", "/proc"]
    if os.geteuid() != 0:
        command += ["--unshare-user"]
    code, said = _run([*command, "--dev", "/dev", "true"])
    if code == 0:
        return Finding("namespaces", True, "mount, pid, ipc, uts" + ("" if os.geteuid() == 0 else ", user"))
    return Finding(
        "namespaces", False, said.strip().splitlines()[-1] if said.strip() else "refused", _namespace_remedy()
    )


def _namespace_remedy() -> str:
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text().strip() == "1" and os.geteuid() != 0:
        return (
            "AppArmor restricts user namespaces (Ubuntu 23.10 and later): "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap, or run as root"
        )
    clone = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if clone.exists() and clone.read_text().strip() == "0":
        return "sudo sysctl kernel.unprivileged_userns_clone=1"
    if platform.system() != "Linux":
        return "this system has no namespaces: run Freehold in a Linux virtual machine"
    return "in a container: run it with --privileged, or --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
--security-opt apparmor=unconfined --security-opt systempaths=unconfined"


def _groups() -> Finding:
    hierarchy, detail = cgroups.detect()
    if hierarchy is not None:
        hierarchy.close()
        return Finding("control groups", True, detail)
    remedy = "run as root, or delegate: systemd-run --user --scope -p Delegate=yes freehold up"
    return Finding("control groups", False, f"{detail}; no CPU share, no freezing", remedy)


def _system_call_filter() -> Finding:
    offered = Path("/proc/sys/kernel/seccomp/actions_avail").exists()
    known = platform.machine() in ("x86_64", "aarch64")
    if offered and known:
        return Finding("system call filter", True, "seccomp")
    detail = "the kernel has no seccomp" if known else f"no filter for {platform.machine()}"
    return Finding(
        "system call filter", False, detail, "functions cannot run: use a kernel with seccomp on x86_64 or aarch64"
    )


def _user() -> Finding:
    if sandbox.instance_users() is not None:
        return Finding("users", True, "every instance has a host user of its own")
    return Finding("users", True, "instances run as this user, in user namespaces, without privileges")


def _pythons(interpreters: Interpreters) -> Finding:
    found = interpreters.pythons()
    names = ", ".join(f"3.{minor}" for minor in sorted(found))
    return Finding("python", True, f"{names}; other versions run on the nearest")


def _boto3() -> Finding:
    found = sdk_packages()
    if "boto3" in found:
        return Finding("boto3", True, f"{found['boto3']}")
    return Finding("boto3", False, "functions find no boto3", "pip install boto3 beside freehold")


def _node(interpreters: Interpreters) -> Finding:
    node = interpreters.node()
    if node is None:
        return Finding("node", False, "nodejs functions do not run", "apt install nodejs")
    return Finding("node", True, f"{node.path} runs every nodejs*.x as {node.name}")


def _node_sdk(node_modules: Path | None) -> Finding:
    path = node_modules or default_node_modules()
    if path is not None and (path / "@aws-sdk").is_dir():
        count = len(list((path / "@aws-sdk").glob("client-*")))
        return Finding("AWS SDK for JavaScript", True, f"{count} clients in {path}")
    detail = "nodejs functions that import @aws-sdk must bring it along"
    return Finding("AWS SDK for JavaScript", False, detail, " ".join(sdk_install_command()))


def _names() -> Finding:
    try:
        socket.getaddrinfo("any.execute-api.localhost", 80)
    except OSError:
        detail = "names under .localhost resolve in browsers and curl, not in Python or Node.js"
        return Finding("names under localhost", False, detail, "apt install libnss-myhostname")
    return Finding("names under localhost", True, "any.execute-api.localhost resolves")


def _run(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return 1, str(problem)
    return done.returncode, done.stdout + done.stderr
