"""Buckets that come and go, versions of objects, big objects in parts, notifications."""

from __future__ import annotations

import random

from soak.churn.base import SHORT_RETENTION, Churn

PART = bytes(5 << 20)


class Buckets(Churn):
    """A versioned bucket with notifications to a queue: objects overwritten, marked deleted, all versions deleted."""

    name = "s3-churn"
    alive = 2

    def setup(self) -> None:
        super().setup()
        self._queue = self.target_queue(self.prefix(), **SHORT_RETENTION)

    def make(self, name: str, rng: random.Random) -> None:
        s3 = self.cloud.client("s3")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": self._queue, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
                ]
            },
        )
        for number in range(6):
            s3.put_object(Bucket=name, Key=f"k{number % 3}", Body=b"x" * rng.choice((10, 1_000, 100_000)))
        s3.delete_object(Bucket=name, Key="k0")
        s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k1"})
        s3.list_objects_v2(Bucket=name)
        self.empty(self.prefix())

    def drop(self, name: str) -> None:
        s3 = self.cloud.client("s3")
        listing = s3.list_object_versions(Bucket=name)
        found = [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]
        if found:
            s3.delete_objects(
                Bucket=name,
                Delete={"Objects": [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]},
            )
        s3.delete_bucket(Bucket=name)


class BigObjects(Churn):
    """Objects of 5 to 11 MB, by parts and whole, read in ranges; some uploads are aborted."""

    name = "s3-big"
    alive = 4

    def setup(self) -> None:
        super().setup()
        self._bucket = f"{self.prefix()}-{self.cloud.account}"
        self.cloud.client("s3").create_bucket(Bucket=self._bucket)

    def make(self, name: str, rng: random.Random) -> None:
        s3, where = self.cloud.client("s3"), {"Bucket": self._bucket, "Key": name}
        if rng.random() < 0.4:
            s3.put_object(**where, Body=PART)
        else:
            upload = s3.create_multipart_upload(**where)["UploadId"]
            parts = [
                {"PartNumber": at, "ETag": s3.upload_part(**where, UploadId=upload, PartNumber=at, Body=body)["ETag"]}
                for at, body in ((1, PART), (2, PART[: 1 << 20]))
            ]
            if rng.random() < 0.3:
                s3.abort_multipart_upload(**where, UploadId=upload)
                self.living.remove(name)
                return
            s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        s3.get_object(**where, Range="bytes=1000-2000000")["Body"].read()

    def drop(self, name: str) -> None:
        self.cloud.client("s3").delete_object(Bucket=self._bucket, Key=name)
