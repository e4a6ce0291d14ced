"""SSM parameters over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_parameter_is_put_read_and_deleted(aws: Aws, account: str) -> None:
    ssm = aws("ssm")
    assert ssm.put_parameter(Name="/app/db/host", Value="h", Type="String")["Version"] == 1
    parameter = ssm.get_parameter(Name="/app/db/host")["Parameter"]
    assert parameter["Value"] == "h"
    assert parameter["ARN"] == f"arn:aws:ssm:us-east-1:{account}:parameter/app/db/host"
    ssm.delete_parameter(Name="/app/db/host")
    with pytest.raises(ClientError) as raised:
        ssm.get_parameter(Name="/app/db/host")
    assert code(raised) == "ParameterNotFound"


def test_overwrite_must_be_asked_for(aws: Aws) -> None:
    ssm = aws("ssm")
    ssm.put_parameter(Name="a", Value="1", Type="String")
    with pytest.raises(ClientError) as raised:
        ssm.put_parameter(Name="a", Value="2", Type="String")
    assert code(raised) == "ParameterAlreadyExists"
    assert ssm.put_parameter(Name="a", Value="2", Overwrite=True)["Version"] == 2
    assert ssm.get_parameter(Name="a:1")["Parameter"]["Value"] == "1"
    assert [v["Value"] for v in ssm.get_parameter_history(Name="a")["Parameters"]] == ["1", "2"]


def test_a_secure_string_is_sealed_unless_decryption_is_asked_for(aws: Aws) -> None:
    ssm = aws("ssm")
    ssm.put_parameter(Name="/s", Value="secret", Type="SecureString")
    assert "secret" not in ssm.get_parameter(Name="/s")["Parameter"]["Value"]
    assert ssm.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "secret"


def test_a_path_is_read_one_level_or_recursively_in_pages(aws: Aws) -> None:
    ssm = aws("ssm")
    for n in range(12):
        ssm.put_parameter(Name=f"/p/{n:02d}", Value=str(n), Type="String")
    ssm.put_parameter(Name="/p/deep/x", Value="x", Type="String")
    pages = ssm.get_paginator("get_parameters_by_path")
    level = [p["Name"] for page in pages.paginate(Path="/p") for p in page["Parameters"]]
    assert level == [f"/p/{n:02d}" for n in range(12)]
    deep = [p["Name"] for page in pages.paginate(Path="/p", Recursive=True) for p in page["Parameters"]]
    assert len(deep) == 13


def test_labels_select_versions(aws: Aws) -> None:
    ssm = aws("ssm")
    ssm.put_parameter(Name="l", Value="1", Type="String")
    ssm.put_parameter(Name="l", Value="2", Type="String", Overwrite=True)
    assert ssm.label_parameter_version(Name="l", ParameterVersion=1, Labels=["prod", "1bad"])["InvalidLabels"] == [
        "1bad"
    ]
    assert ssm.get_parameter(Name="l:prod")["Parameter"]["Value"] == "1"


def test_describe_filters_by_name_type_and_tag(aws: Aws) -> None:
    ssm = aws("ssm")
    ssm.put_parameter(Name="/x/a", Value="1", Type="String", Tags=[{"Key": "team", "Value": "red"}])
    ssm.put_parameter(Name="/x/b", Value="1", Type="StringList")

    def names(*filters: dict[str, Any]) -> list[str]:
        return [p["Name"] for p in ssm.describe_parameters(ParameterFilters=list(filters))["Parameters"]]

    assert names({"Key": "tag:team", "Values": ["red"]}) == ["/x/a"]
    assert names({"Key": "Type", "Values": ["StringList"]}) == ["/x/b"]
    assert names({"Key": "Name", "Option": "BeginsWith", "Values": ["/x"]}) == ["/x/a", "/x/b"]


def test_what_is_not_done_is_refused_by_name(aws: Aws) -> None:
    with pytest.raises(ClientError) as raised:
        aws("ssm").put_parameter(Name="k", Value="1", Type="SecureString", KeyId="alias/mine")
    assert code(raised) == "NotImplemented"
    assert "alias/mine" in raised.value.response["Error"]["Message"]


def test_accounts_and_regions_are_isolated(aws: Aws) -> None:
    aws("ssm").put_parameter(Name="mine", Value="1", Type="String")
    with pytest.raises(ClientError):
        aws("ssm", region="eu-west-1").get_parameter(Name="mine")
