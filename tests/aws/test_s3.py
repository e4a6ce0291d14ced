"""S3 over the wire, through boto3."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

MIB = 1 << 20


@pytest.fixture
def s3(aws: Callable[..., Any]) -> Any:
    return aws("s3")


@pytest.fixture
def bucket(s3: Any, account: str) -> str:
    """A bucket of this test's own."""
    name = f"bucket-{account}"
    s3.create_bucket(Bucket=name)
    return name


def refused(attempt: Callable[[], Any]) -> tuple[str, int, dict[str, Any]]:
    with pytest.raises(ClientError) as caught:
        attempt()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response


def test_an_object_over_the_wire(s3: Any, bucket: str) -> None:
    key = "folder/a b+c%/é?#.txt"
    put = s3.put_object(
        Bucket=bucket, Key=key, Body=b"hello", ContentType="text/plain", Metadata={"One": "1"}, Tagging="a=1"
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == b"hello" and got["ContentType"] == "text/plain" and got["Metadata"] == {"one": "1"}
    assert got["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "5" and got["TagCount"] == 1
    ranged = s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")
    assert ranged["Body"].read() == b"ell" and ranged["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert ranged["ContentRange"] == "bytes 1-3/5"
    head = s3.head_object(Bucket=bucket, Key=key)
    assert head["ContentLength"] == 5 and head["ETag"] == put["ETag"]
    assert refused(lambda: s3.get_object(Bucket=bucket, Key=key, IfNoneMatch=put["ETag"]))[1] == 304
    assert refused(lambda: s3.get_object(Bucket=bucket, Key=key, Range="bytes=9-"))[:2] == ("InvalidRange", 416)
    code, status, response = refused(lambda: s3.get_object(Bucket=bucket, Key="none"))
    assert (code, status, response["Error"]["Key"]) == ("NoSuchKey", 404, "none")
    assert refused(lambda: s3.head_object(Bucket=bucket, Key="none"))[:2] == ("404", 404)
    [listed] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert listed["Key"] == key and listed["Size"] == 5
    assert [one["Key"] for one in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    assert s3.delete_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize(
    "key", ["/lead", "a//b", "a/../b", "./x", "..", "a/", "a b+c", "é/\u00df", "?x=1&y#z", "%2F", "*'();:@&=+$,"]
)
def test_keys_are_taken_as_they_are(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})["Deleted"]
    assert {one["Key"] for one in deleted} == {key, "copy"} and s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_waiters_end(s3: Any, account: str) -> None:
    name, quickly = f"waited-{account}", {"Delay": 1, "MaxAttempts": 2}
    s3.get_waiter("bucket_not_exists").wait(Bucket=name, WaiterConfig=quickly)
    s3.create_bucket(Bucket=name)
    s3.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig=quickly)
    s3.get_waiter("object_not_exists").wait(Bucket=name, Key="k", WaiterConfig=quickly)
    s3.put_object(Bucket=name, Key="k")
    s3.get_waiter("object_exists").wait(Bucket=name, Key="k", WaiterConfig=quickly)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_that_sdks_send(s3: Any, bucket: str, algorithm: str) -> None:
    if algorithm in ("CRC32", "SHA1", "SHA256"):
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"]
    else:  # botocore computes these only with the AWS CRT: the value is given
        value = {"CRC32C": "mnG7TA==", "CRC64NVME": "M3eFcAZSQlc="}[algorithm]
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", **{f"Checksum{algorithm}": value})
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"] and head["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == b"hello"
    wrong = {"CRC32": "AAAAAA==", "CRC32C": "AAAAAA==", "CRC64NVME": "AAAAAAAAAAA="}.get(algorithm)
    if wrong:
        attempt = lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"hello", **{f"Checksum{algorithm}": wrong})  # noqa: E731
        assert refused(attempt)[:2] == ("BadDigest", 400)


class Unseekable(io.RawIOBase):
    """A body whose checksum can only be said after it: sent as aws-chunked with a trailer."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return b"z" * size


def test_files_go_up_in_parts_and_come_down_whole(s3: Any, bucket: str, tmp_path: Path) -> None:
    data = hashlib.shake_128(b"file").digest(20 * MIB)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    s3.upload_file(str(source), bucket, "big", ExtraArgs={"ContentType": "application/zip"})
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"') and head["ContentLength"] == len(data)
    assert head["ContentType"] == "application/zip" and head["ChecksumCRC32"]
    s3.download_file(bucket, "big", str(target))
    assert target.read_bytes() == data
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == data
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied")
    assert s3.get_object(Bucket=bucket, Key="copied")["Body"].read() == data
    s3.upload_fileobj(Unseekable(3 * MIB), bucket, "stream")
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == b"z" * (3 * MIB)


def test_multipart_by_hand(s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    bodies = {1: b"a" * (5 * MIB), 2: b"b" * 10}
    parts = []
    for number, body in bodies.items():
        etag = s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    assert [one["Size"] for one in s3.list_parts(**upload)["Parts"]] == [5 * MIB, 10]
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    wrong = {"Parts": parts[::-1]}
    attempt = lambda: s3.complete_multipart_upload(**upload, MultipartUpload=wrong)  # noqa: E731
    assert refused(attempt)[0] == "InvalidPartOrder"
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert done["Location"].endswith(f"/{bucket}/k") and done["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=2)["Body"].read() == bodies[2]
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts"])
    assert found["ObjectSize"] == 5 * MIB + 10 and found["ObjectParts"]["TotalPartsCount"] == 2
    upload["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.abort_multipart_upload(**upload)
    assert refused(lambda: s3.list_parts(**upload))[:2] == ("NoSuchUpload", 404)


def test_attributes_of_an_object_must_be_named(s3: Any, bucket: str) -> None:
    """Without its header the request is still GetObjectAttributes, not GetObject."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    asked = {"Bucket": bucket, "Key": "k"}
    message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"

    def refusal(*names: str) -> tuple[str, int, str]:
        code, status, answer = refused(lambda: s3.get_object_attributes(**asked, ObjectAttributes=list(names)))
        return code, status, answer["Error"]["Message"]

    assert refusal() == ("InvalidRequest", 400, message)
    assert refusal("Colour") == ("InvalidArgument", 400, "Invalid attribute name specified.")

    def forget(params: dict[str, Any], **_: Any) -> None:
        del params["headers"]["x-amz-object-attributes"]

    s3.meta.events.register("before-call.s3.GetObjectAttributes", forget)
    assert refusal("ETag") == ("InvalidRequest", 400, message)


def test_paginators(s3: Any, bucket: str) -> None:
    for n in range(30):
        s3.put_object(Bucket=bucket, Key=f"{n % 3}/{n:02d}")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    assert [one["Key"] for page in pages for one in page["Contents"]] == sorted(f"{n % 3}/{n:02d}" for n in range(30))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert [one["Prefix"] for page in pages for one in page["CommonPrefixes"]] == ["0/", "1/", "2/"]
    older = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 8})
    assert sum(len(page["Contents"]) for page in older) == 30
    assert [one["Name"] for page in s3.get_paginator("list_buckets").paginate() for one in page["Buckets"]] == [bucket]
    everything = [{"Key": f"{n % 3}/{n:02d}"} for n in range(30)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": everything})["Deleted"]) == 30


def test_versioned_buckets(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=ids[0])["Body"].read() == b"1"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    response = refused(lambda: s3.get_object(Bucket=bucket, Key="k"))[2]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    hidden = refused(lambda: s3.get_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"]))
    assert hidden[:2] == ("MethodNotAllowed", 405)
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1}))
    assert [one["VersionId"] for page in pages for one in page.get("Versions", [])] == ids[::-1]
    assert [one["IsLatest"] for page in pages for one in page.get("DeleteMarkers", [])] == [True]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    assert refused(lambda: s3.delete_bucket(Bucket=bucket))[:2] == ("BucketNotEmpty", 409)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(aws: Callable[..., Any], bucket: str, version: str) -> None:
    """Also by Signature Version 2, which boto3 uses for presigned URLs unless told otherwise."""
    s3 = aws("s3", signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"signed", method="PUT")) as answer:
        assert answer.status == 200
    params = {"Bucket": bucket, "Key": "a b", "ResponseContentType": "text/csv"}
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=params)) as answer:
        assert answer.read() == b"signed" and answer.headers["content-type"] == "text/csv"
    params["Key"] = "none"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=params))
    assert caught.value.code == 404 and b"<Code>NoSuchKey</Code>" in caught.value.read()


def test_virtual_hosted_requests(server: Any, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k/x", Body=b"by host")
    port = server.url.rpartition(":")[2]
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.s3.localhost:{port}"):
        signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k/x"})
        url = signed.replace(f"/{bucket}/", "/", 1)
        request = urllib.request.Request(url, headers={"Host": host})
        with urllib.request.urlopen(request) as answer:
            assert answer.read() == b"by host"


def test_configurations_over_the_wire(s3: Any, bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    [found] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert found["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256" and found["BucketKeyEnabled"] is True
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False})
    policy = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",' \
        f'"Resource":"arn:aws:s3:::{bucket}/*"}}}}'  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    assert refused(lambda: s3.delete_object(Bucket=bucket, Key="k"))[:2] == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(lambda: s3.get_bucket_policy(Bucket=bucket))[:2] == ("NoSuchBucketPolicy", 404)
    [grant] = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["Type"] == "CanonicalUser"
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert refused(lambda: s3.get_bucket_website(Bucket=bucket))[:2] == ("NoSuchWebsiteConfiguration", 404)
    website = {"IndexDocument": {"Suffix": "index.html"}}
    attempt = lambda: s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)  # noqa: E731
    assert refused(attempt)[:2] == ("NotImplemented", 501)


def test_a_client_of_another_region_is_led_to_the_buckets_own(aws: Callable[..., Any], account: str) -> None:
    name = f"euro-{account}"
    aws("s3", region="eu-west-1").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    client = aws("s3")
    assert client.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    client.put_object(Bucket=name, Key="k", Body=b"redirected")
    assert client.get_object(Bucket=name, Key="k")["Body"].read() == b"redirected"
    assert client.head_bucket(Bucket=name)["BucketRegion"] == "eu-west-1"


def test_accounts_do_not_see_each_other(server: Any, s3: Any, bucket: str) -> None:
    stranger = server.client("s3", "999999999999")
    s3.put_object(Bucket=bucket, Key="k")
    assert refused(lambda: stranger.get_object(Bucket=bucket, Key="k"))[:2] == ("AccessDenied", 403)
    assert refused(lambda: stranger.create_bucket(Bucket=bucket))[:2] == ("BucketAlreadyExists", 409)


def test_conditional_writes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="lock", Body=b"1", IfNoneMatch="*")
    attempt = lambda: s3.put_object(Bucket=bucket, Key="lock", Body=b"2", IfNoneMatch="*")  # noqa: E731
    assert refused(attempt)[:2] == ("PreconditionFailed", 412)


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_large_objects_stream_with_flat_memory(server: Any, s3: Any, bucket: str, tmp_path: Path) -> None:
    size = 200 * MIB
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(size)
    s3.put_object(Bucket=bucket, Key="warm", Body=b"x" * (2 * MIB))
    before = rss(server.process.pid)
    with source.open("rb") as file:
        etag = s3.put_object(Bucket=bucket, Key="large", Body=file)["ETag"]
    most = rss(server.process.pid)
    running, count = hashlib.md5(), 0
    for piece in s3.get_object(Bucket=bucket, Key="large")["Body"].iter_chunks(MIB):
        running.update(piece)
        count += len(piece)
        most = max(most, rss(server.process.pid))
    assert count == size and f'"{running.hexdigest()}"' == etag
    assert most - before < 40 * MIB, f"{(most - before) >> 20} MiB more"
    s3.delete_object(Bucket=bucket, Key="large")


def chunked(bucket: str, key: str, body: bytes, trailer: bytes, **headers: str) -> Any:
    """A PUT as the SDKs for JavaScript, Java and Go send it: aws-chunked, its checksum in the trailer."""
    pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n\r\n"
    return framed, {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm": "CRC32",
        **headers,
    }


def test_aws_chunked_bodies_with_checksums_in_the_trailer(server: Any, s3: Any, bucket: str, account: str) -> None:
    import base64
    import zlib

    body = hashlib.shake_128(b"chunks").digest(200_000)
    value = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    scope = f"{account}/20260101/us-east-1/s3/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    signed = {"authorization": authorization, "x-amz-date": "20260101T000000Z"}

    def put(trailer: bytes, **headers: str) -> int:
        framed, head = chunked(bucket, "chunked", body, trailer, **signed, **headers)
        request = urllib.request.Request(f"{server.url}/{bucket}/chunked", data=framed, method="PUT", headers=head)
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)

    assert put(b"x-amz-checksum-crc32:" + value) == 200
    got = s3.get_object(Bucket=bucket, Key="chunked", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got["ChecksumCRC32"].encode() == value and "ContentEncoding" not in got
    for trailer, code in (
        (b"x-amz-checksum-crc32:AAAAAA==", b"BadDigest"),
        (b"x-amz-checksum-crc32:???", b"InvalidRequest"),
        (b"x-amz-other:1", b"MalformedTrailerError"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            put(trailer)
        assert caught.value.code == 400 and b"<Code>" + code + b"</Code>" in caught.value.read()
    with pytest.raises(urllib.error.HTTPError) as caught:
        put(b"x-amz-checksum-crc32:" + value, **{"x-amz-decoded-content-length": "5"})
    assert b"<Code>IncompleteBody</Code>" in caught.value.read()


def test_lifecycle_over_the_wire(s3: Any, bucket: str) -> None:
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule]
    assert s3.put_object(Bucket=bucket, Key="tmp/k")["Expiration"].endswith('rule-id="r"')
    s3.delete_bucket_lifecycle(Bucket=bucket)
    attempt = lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket)  # noqa: E731
    assert refused(attempt)[:2] == ("NoSuchLifecycleConfiguration", 404)


def test_browsers_of_allowed_origins_may(server: Any, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    rule = {"AllowedOrigins": ["https://app.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    port = server.url.rpartition(":")[2]
    for host, path in ((f"127.0.0.1:{port}", f"/{bucket}/k"), (f"{bucket}.localhost:{port}", "/k")):
        headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT", "Host": host}
        request = urllib.request.Request(server.url + path, method="OPTIONS", headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    request = urllib.request.Request(url, headers={"Origin": "https://app.example"})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"x" and answer.headers["access-control-allow-methods"] == "GET, PUT"
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/{bucket}/k", method="OPTIONS", headers=headers))
    assert caught.value.code == 403 and b"<Code>AccessForbidden</Code>" in caught.value.read()
