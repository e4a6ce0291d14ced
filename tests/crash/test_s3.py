"""S3 after kill -9: what was acknowledged is there, whole; what was not leaves no half."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.conftest import Server, start, stop

KIB = 1024


def body(worker: int, number: int) -> bytes:
    """Small ones lie in rows, large ones in files."""
    size = (1, 5, 100, 300)[number % 4] * KIB
    return hashlib.shake_128(f"{worker}/{number}".encode()).digest(size)


class Writer(threading.Thread):
    """Puts objects, and parts of uploads, until the server is gone."""

    def __init__(self, s3: Any, worker: int) -> None:
        super().__init__()
        self.s3, self.worker, self.acknowledged = s3, worker, 0

    def run(self) -> None:
        number = 0
        while True:
            try:
                self.s3.put_object(Bucket="crash", Key=f"{self.worker}/{number}", Body=body(self.worker, number))
            except (BotoCoreError, ClientError):
                return
            number += 1
            self.acknowledged = number


def test_acknowledged_objects_survive_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(data)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="crash")
    upload = {"Bucket": "crash", "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"p" * (200 * KIB))["ETag"]
    writers = [Writer(server.client("s3"), worker) for worker in range(4)]
    for writer in writers:
        writer.start()
    while min(writer.acknowledged for writer in writers) < 40:
        assert all(writer.is_alive() for writer in writers)
    server.process.kill()
    server.process.wait()
    for writer in writers:
        writer.join()
    check(start(data), writers, upload, etag)


def check(server: Server, writers: list[Writer], upload: dict[str, str], etag: str) -> None:
    try:
        s3 = server.client("s3")
        for writer in writers:
            for number in range(writer.acknowledged):
                key = f"{writer.worker}/{number}"
                assert s3.get_object(Bucket="crash", Key=key)["Body"].read() == body(writer.worker, number)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="crash")
        for one in (one for page in pages for one in page.get("Contents", [])):
            worker, number = map(int, one["Key"].split("/"))
            assert s3.get_object(Bucket="crash", Key=one["Key"])["Body"].read() == body(worker, number)
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        assert s3.get_object(Bucket="crash", Key="parts")["Body"].read() == b"p" * (200 * KIB)
    finally:
        stop(server)
