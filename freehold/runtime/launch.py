"""Bringing up the process of an instance: forked from a zygote, or in a bubblewrap of its own, or as a plain process.

The strongest way that works is used; what is refused by the host is remembered with its reason and the next weaker way
taken. `Launcher.isolation` says what instances get.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from freehold.runtime import environment, layers, sandbox
from freehold.runtime.base import FunctionSpec, RuntimeUnavailable
from freehold.runtime.interpreters import Interpreter, Interpreters
from freehold.runtime.zygote import Zygote, ZygoteDied

if TYPE_CHECKING:
    from freehold.runtime.instance import Instance

ZYGOTE, BUBBLEWRAP, PROCESS = "zygote", "bubblewrap", "process"
_SDK = "boto3"
_MAX_PROCESSES = 1024
_MAX_FILES = 1024
_DATA_FACTOR, _DATA_SLACK_MB = 2, 512
"""Without a memory group: a backstop for what grows faster than the watch looks."""
_MAX_KNOWN = 4096
_NESTED_UID = 993
"""The uid of Lambda's own sandbox user, given where the server cannot give instances users of their own."""
_PYTHON = ("-I", "-S", "-X", "utf8")


class Launcher:
    """How instances come up on this host."""

    def __init__(
        self,
        host: sandbox.Host,
        interpreters: Interpreters,
        scratch: Path,
        code_roots: Sequence[Path],
        *,
        has_memory_group: bool,
    ) -> None:
        self.interpreters = interpreters
        self.mode = ZYGOTE if host.bubblewrap else PROCESS
        self.reason = "" if host.bubblewrap else "bubblewrap is not installed"
        self._host = host
        self._scratch = scratch
        self._roots = [scratch, *code_roots]
        for root in code_roots:
            # What is not there when a template starts is never seen by it.
            root.mkdir(parents=True, exist_ok=True)
        self._accounts = sandbox.write_accounts(scratch / "accounts")
        self._has_memory_group = has_memory_group
        self._zygotes: dict[tuple[str, str | None], Zygote] = {}
        self._outgrown: list[Zygote] = []
        self._wants_sdk: dict[tuple[Path, tuple[Path, ...]], bool] = {}
        self._preparing = threading.Lock()
        self._opt: dict[tuple[Path, ...], Path | None] = {}

    @property
    def shares_pids(self) -> bool:
        """Instances live in the server's pid namespace: killing means killing their process group."""
        return self.mode == PROCESS

    @property
    def users(self) -> range | None:
        """Host users of which every instance gets its own."""
        return self._host.users

    @property
    def own_users(self) -> bool:
        """Every instance has a host uid of its own."""
        return self._host.users is not None

    async def warm_up(self, interpreter: Interpreter | None = None) -> None:
        """Start the templates of an interpreter (default: the server's own), one after the other, so that the first
        function finds them."""
        for preload in (None, _SDK):
            if self.mode == ZYGOTE and (preload is None or self._host.packages):
                with contextlib.suppress(ZygoteDied, TimeoutError):
                    await self._zygote(interpreter or self.interpreters.own, preload).ready()

    def prepare(self, spec: FunctionSpec) -> None:
        """What takes file reads: layers merged, sources scanned, interpreters sought. On a worker thread."""
        with self._preparing:
            interpreter = self.interpreters.resolve(spec.runtime)
            if not spec.code.is_dir():
                raise RuntimeUnavailable(f"the package of {spec.arn} is not at {spec.code}")
            if len(self._opt) + len(self._wants_sdk) > _MAX_KNOWN:
                self._opt.clear()
                self._wants_sdk.clear()
            self._opt[spec.layers] = layers.merged(spec.layers, self._scratch)
            if interpreter is not None and spec.runtime.startswith("python"):
                self._wants_sdk[spec.code, spec.layers] = layers.wants_sdk(spec.code, spec.layers)

    def prepared(self, spec: FunctionSpec) -> bool:
        known = not spec.runtime.startswith("python") or (spec.code, spec.layers) in self._wants_sdk
        return known and spec.layers in self._opt

    async def launch(self, instance: Instance, descriptors: tuple[int, ...]) -> None:
        """Send the descriptors (Runtime API, log, control, entrances of its group) to a new process.

        Raises ZygoteDied, RuntimeUnavailable.
        """
        spec = instance.spec
        interpreter = self.interpreters.resolve(spec.runtime)
        python = interpreter if interpreter is not None and spec.runtime.startswith("python") else self.interpreters.own
        wants_sdk = self._wants_sdk.get((spec.code, spec.layers), False) and bool(self._host.packages)
        preload = _SDK if wants_sdk and python is interpreter else None
        if self.mode == ZYGOTE:
            zygote = self._zygote_for(python, preload, spec)
            request = self._request(instance, interpreter, zygote)
            await zygote.fork(orjson.dumps(request), descriptors)
        else:
            self._spawn(instance, interpreter, python, descriptors[:3])

    # ------------------------------------------------------------ zygotes

    def _zygote(self, interpreter: Interpreter, preload: str | None) -> Zygote:
        key = (interpreter.path, preload)
        zygote = self._zygotes.get(key)
        if zygote is None or not zygote.alive:
            zygote = Zygote(self._host, interpreter, preload, self._roots, self._accounts, self._zygote_died)
            zygote.launch()
            self._zygotes[key] = zygote
        return zygote

    def _zygote_for(self, interpreter: Interpreter, preload: str | None, spec: FunctionSpec) -> Zygote:
        """A template that sees the package; one with more directories replaces it where it does not."""
        wanted = [spec.code, *([opt] if (opt := self._opt.get(spec.layers)) else [])]
        zygote = self._zygote(interpreter, preload)
        unseen = [path for path in wanted if zygote.see(path) is None]
        if unseen:
            for path in unseen:
                if not any(root == path.parent or root in path.parents for root in self._roots):
                    self._roots.append(path.parent)
            self._outgrown.append(self._zygotes.pop((interpreter.path, preload)))
            zygote = self._zygote(interpreter, preload)
        return zygote

    def _zygote_died(self, zygote: Zygote) -> None:
        if self._zygotes.get((zygote.interpreter.path, zygote.preload)) is zygote:
            del self._zygotes[zygote.interpreter.path, zygote.preload]

    def extensions(self, spec: FunctionSpec) -> list[str]:
        """Names of the extensions that layers bring. Freehold does not start them."""
        opt = self._opt.get(spec.layers)
        try:
            return sorted(os.listdir(opt / "extensions")) if opt is not None else []
        except OSError:
            return []

    def weaken(self, reason: str) -> bool:
        """The host refused what the present way needs: take the next weaker one. False where there is none."""
        order = (ZYGOTE, BUBBLEWRAP, PROCESS)
        if self.mode == PROCESS:
            return False
        self.mode = order[order.index(self.mode) + 1]
        self.reason = reason
        return True

    def template_pids(self) -> dict[str, int]:
        """The running templates: name -> pid of their bubblewrap."""
        return {
            f"{zygote.interpreter.name}{'+' + zygote.preload if zygote.preload else ''}": zygote.pid
            for zygote in self._zygotes.values()
            if zygote.pid is not None
        }

    # ------------------------------------------------------------ requests

    def _request(self, instance: Instance, interpreter: Interpreter | None, zygote: Zygote | None) -> dict[str, Any]:
        spec = instance.spec
        opt = self._opt.get(spec.layers)
        task_root = str(spec.code) if self.mode == PROCESS else "/var/task"
        runtime_directory = self._links() if self.mode == PROCESS else sandbox.RUNTIME_DIRECTORY
        variables = environment.of_instance(
            spec,
            instance.stream_name,
            instance.crew.credentials(spec),
            task_root=task_root,
            runtime_directory=runtime_directory,
            runtime_api=instance.runtime_api,
        )
        request: dict[str, Any] = {
            "environment": variables,
            "handler": spec.handler,
            "cwd": task_root,
            "limits": self._limits(spec),
            "ephemeral_mb": spec.ephemeral_mb,
            "owner": instance.uid if self.own_users else 0,
            "subreaper": self.mode == PROCESS,
            "command": self._command(spec, interpreter, opt, task_root),
            "api": interpreter is not None,
        }
        if zygote is not None:
            request |= {"code": zygote.see(spec.code), "opt": zygote.see(opt) if opt else None}
        if self.own_users:
            request["uid"] = instance.uid
        elif self.mode != PROCESS:
            request["nested_user"] = _NESTED_UID
        return request

    def _links(self) -> str:
        """/var/runtime for plain processes: a directory of links to boto3's packages."""
        directory = self._scratch / "runtime"
        if not directory.is_dir():
            directory.mkdir(mode=0o755)
            for name, path in self._host.packages.items():
                (directory / name).symlink_to(path)
        return str(directory)

    def _limits(self, spec: FunctionSpec) -> dict[str, int]:
        limits = {"CORE": 0, "NOFILE": _MAX_FILES, "NPROC": _MAX_PROCESSES}
        if self.mode == PROCESS and not self.own_users:
            # Without a user of its own the limit would count every process of the server's user.
            del limits["NPROC"]
        if not self._has_memory_group:
            limits["DATA"] = (_DATA_FACTOR * spec.memory_mb + _DATA_SLACK_MB) * 1024 * 1024
        return limits

    def _command(
        self, spec: FunctionSpec, interpreter: Interpreter | None, opt: Path | None, task_root: str
    ) -> list[str] | None:
        """The program of runtimes that are not forked Python; None for Python without a wrapper script."""
        if interpreter is None:
            candidates = [spec.code / "bootstrap", *([opt / "bootstrap"] if opt else [])]
            for number, path in enumerate(candidates):
                if path.is_file():
                    inside = f"{task_root}/bootstrap" if number == 0 else "/opt/bootstrap"
                    return [str(path) if self.mode == PROCESS else inside]
            return ["/var/task/bootstrap"]
        base = str(sandbox.BOOTSTRAP) if self.mode == PROCESS else f"{sandbox.RUNTIME_DIRECTORY}/freehold"
        wrapper = spec.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
        prefix = [wrapper] if wrapper else []
        if spec.runtime.startswith("nodejs"):
            heap = max(32, spec.memory_mb * 9 // 10)
            return [*prefix, interpreter.path, f"--max-old-space-size={heap}", f"{base}/node/freehold_runtime.mjs"]
        if wrapper:
            return [wrapper, interpreter.path, *_PYTHON, f"{base}/python/freehold_zygote.py", "wrapped"]
        return None

    # ------------------------------------------------------------ weaker ways

    def _spawn(
        self,
        instance: Instance,
        interpreter: Interpreter | None,
        python: Interpreter,
        descriptors: tuple[int, ...],
    ) -> None:
        spec = instance.spec
        request = self._request(instance, interpreter, None)
        numbers = [str(number) for number in descriptors]
        if self.mode == BUBBLEWRAP:
            opt = self._opt.get(spec.layers)
            inner = ["--ro-bind", str(spec.code), "/var/task", *(["--ro-bind", str(opt), "/opt"] if opt else [])]
            inner += ["--perms", "1777", "--size", str(spec.ephemeral_mb * 1024 * 1024), "--tmpfs", "/tmp"]
            command = sandbox.command(self._host, python, (), self._accounts, inner)
            script = f"{sandbox.RUNTIME_DIRECTORY}/freehold/python/freehold_zygote.py"
        else:
            command, script = [], str(sandbox.BOOTSTRAP / "python" / "freehold_zygote.py")
        command += [python.path, *_PYTHON, script, "single", *numbers]
        # The request waits in the control socket; the parent's end wrote it before the process exists.
        instance.post_request(orjson.dumps(request))
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         pass_fds=descriptors, env={}, cwd="/")  # fmt: skip

    # ------------------------------------------------------------ what instances get

    def isolation(self) -> dict[str, str]:
        """Mechanism -> how, or why not."""
        if self.mode == PROCESS:
            none = f"none: {self.reason}; functions see the host's files as their user may, and share /tmp"
            return {"namespaces": none, "system call filter": "seccomp", "user": self._user()}
        how = "forked from a template in bubblewrap" if self.mode == ZYGOTE else f"a bubblewrap each: {self.reason}"
        return {
            "namespaces": f"mount, pid, ipc, uts ({how})",
            "system call filter": "seccomp",
            "user": self._user(),
        }

    def _user(self) -> str:
        if self.own_users:
            return "a host user of its own per instance"
        return "the server's user, without privileges" if self.mode == PROCESS else "a user namespace per instance"

    def close(self) -> None:
        for zygote in [*self._zygotes.values(), *self._outgrown]:
            zygote.close()
        self._zygotes.clear()
        self._outgrown.clear()
