"""Objects, small and large, put, put in parts, and deleted; in a bucket with versions, deletions keep what was."""

from __future__ import annotations

import random

from workloads.base import Workload
from workloads.cloud import read
from workloads.ledger import Ledger

LARGE = 150_000
"""Bytes: kept in a file. Small ones lie in a row."""


class Objects(Workload):
    """An object's value is a number that is in its bytes. Names in the bucket with versions begin with `v`."""

    name = "s3"

    def setup(self) -> None:
        s3 = self.cloud.client("s3")
        self._buckets = {"o": f"{self.prefix()}-plain", "v": f"{self.prefix()}-versions"}
        for bucket in self._buckets.values():
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=self._buckets["v"], VersioningConfiguration={"Status": "Enabled"})

    def step(self, rng: random.Random) -> None:
        s3, number, choice = self.cloud.client("s3"), self.next(), rng.random()
        kind = "v" if choice < 0.15 else "o"
        name = f"{kind}{number % (5 if kind == 'v' else self.keep)}"
        where = {"Bucket": self._buckets[kind], "Key": name}
        if kind == "v":
            self._prune(name)
        if name in self.ledger.present() and choice > 0.8:
            with self.ledger.write(name, None):
                s3.delete_object(**where)
        elif choice > 0.7:
            self._in_parts(name, number)
        else:
            with self.ledger.write(name, number):
                s3.put_object(**where, Body=content(name, number))

    def _in_parts(self, name: str, number: int) -> None:
        s3, where = self.cloud.client("s3"), {"Bucket": self._buckets[name[0]], "Key": name}
        upload = s3.create_multipart_upload(**where)["UploadId"]
        body = content(name, number)
        tag = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)["ETag"]
        with self.ledger.write(name, number):
            parts = {"Parts": [{"ETag": tag, "PartNumber": 1}]}
            s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)

    def _prune(self, name: str) -> None:
        """Old versions go, so that there is an end to them; they are none of the ledger's."""
        s3, bucket = self.cloud.client("s3"), self._buckets["v"]
        found = s3.list_object_versions(Bucket=bucket, Prefix=name)
        old = [each for each in [*found.get("Versions", []), *found.get("DeleteMarkers", [])] if not each["IsLatest"]]
        if len(old) > 5:
            for each in old:
                s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        s3, found, wrong = self.cloud.client("s3"), {}, []
        for bucket in self._buckets.values():
            for entry in s3.pages("list_objects_v2", "Contents", Bucket=bucket):
                body = read(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"])
                number = int(body[:12])
                if body != content(entry["Key"], number):
                    wrong.append(f"the bytes of {entry['Key']} are not those that were put as number {number}")
                found[entry["Key"]] = number
        return wrong + ledger.compare(found)


def content(name: str, number: int) -> bytes:
    """The bytes of an object; every fourth is large."""
    line = f"{number:12d} {name}\n".encode()
    size = LARGE if number % 4 == 0 else 100 + 700 * (number % 50)
    return (line * (size // len(line) + 1))[:size]
