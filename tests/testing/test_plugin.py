"""The fixtures as users have them, and a session of their own."""

import subprocess
import sys
from datetime import timedelta

import boto3
import pytest

USERS_TESTS = """
import boto3

def test_the_code_under_test_needs_no_change(freehold):
    boto3.resource("dynamodb")  # finds server, region and credentials by itself
    boto3.client("s3").create_bucket(Bucket="uploads-{name}")
    assert [b["Name"] for b in freehold.client("s3").list_buckets()["Buckets"]] == ["uploads-{name}"]

def test_time(freehold, freehold_clock):
    before = freehold_clock.now
    freehold_clock.advance("1h")
    assert (freehold_clock.now - before).total_seconds() == 3600
"""


def test_every_test_has_an_account_of_its_own(freehold):
    assert freehold.client("sts").get_caller_identity()["Account"] == freehold.id
    assert boto3.client("sts").get_caller_identity()["Account"] == freehold.id
    assert freehold.client("dynamodb").list_tables()["TableNames"] == []
    freehold.client("ssm").put_parameter(Name="/left", Value="behind", Type="String")


def test_nothing_of_an_earlier_test_is_in_it(freehold):
    assert freehold.client("ssm").describe_parameters()["Parameters"] == []


def test_time_stands_until_it_is_advanced(freehold, freehold_clock):
    before = freehold_clock.now
    freehold.client("ssm").put_parameter(Name="/when", Value="x", Type="String")
    assert freehold.client("ssm").get_parameter(Name="/when")["Parameter"]["LastModifiedDate"] == before
    assert freehold_clock.advance(timedelta(days=1)) == before + timedelta(days=1)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_suite_of_users_with_and_without_workers(tmp_path, workers):
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(USERS_TESTS.replace("{name}", name))
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
