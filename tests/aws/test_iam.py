"""IAM and STS over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server

Aws = Callable[..., Any]
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_role_carries_trust_inline_and_managed_policies(aws: Aws, account: str) -> None:
    iam = aws("iam")
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "b"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/app"
    assert role["RoleId"].startswith("AROA")
    iam.attach_role_policy(RoleName="app", PolicyArn=BASIC)
    iam.put_role_policy(RoleName="app", PolicyName="read", PolicyDocument=POLICY)
    assert iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    ]
    assert iam.get_role_policy(RoleName="app", PolicyName="read")["PolicyDocument"] == json.loads(POLICY)
    assert iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert iam.list_role_tags(RoleName="app")["Tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError) as raised:
        iam.delete_role(RoleName="app")
    assert code(raised) == "DeleteConflict"
    iam.detach_role_policy(RoleName="app", PolicyArn=BASIC)
    iam.delete_role_policy(RoleName="app", PolicyName="read")
    iam.delete_role(RoleName="app")
    with pytest.raises(ClientError) as raised:
        iam.get_role(RoleName="app")
    assert code(raised) == "NoSuchEntity"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_names_are_unique_and_documents_are_checked(aws: Aws) -> None:
    iam = aws("iam")
    iam.create_role(RoleName="twice", AssumeRolePolicyDocument=TRUST)
    with pytest.raises(ClientError) as raised:
        iam.create_role(RoleName="twice", AssumeRolePolicyDocument=TRUST)
    assert code(raised) == "EntityAlreadyExists"
    assert "Role with name twice already exists." in str(raised.value)
    with pytest.raises(ClientError) as raised:
        iam.create_role(RoleName="bad", AssumeRolePolicyDocument="{")
    assert code(raised) == "MalformedPolicyDocument"


def test_managed_policies_have_versions(aws: Aws) -> None:
    iam = aws("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    with pytest.raises(ClientError) as raised:
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY)
    assert code(raised) == "LimitExceeded"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v5"
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 5
    with pytest.raises(ClientError) as raised:
        iam.delete_policy(PolicyArn=arn)
    assert code(raised) == "DeleteConflict"


def test_aws_managed_policies_are_known_by_arn(aws: Aws) -> None:
    iam = aws("iam")
    policy = iam.get_policy(PolicyArn=BASIC)["Policy"]
    version = iam.get_policy_version(PolicyArn=BASIC, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert "logs:PutLogEvents" in version["Document"]["Statement"][0]["Action"]
    with pytest.raises(ClientError) as raised:
        iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
    assert code(raised) == "NoSuchEntity"


def test_roles_are_listed_in_pages(aws: Aws) -> None:
    iam = aws("iam")
    for n in range(7):
        iam.create_role(RoleName=f"r{n}", AssumeRolePolicyDocument=TRUST, Path="/team/")
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/team/", PaginationConfig={"PageSize": 3})
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == [f"r{n}" for n in range(7)]


def test_the_waiters_of_iam_end(aws: Aws) -> None:
    iam = aws("iam")
    iam.create_role(RoleName="w", AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName="w")
    iam.create_instance_profile(InstanceProfileName="w")
    arn = iam.create_policy(PolicyName="w", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.get_waiter("role_exists").wait(RoleName="w")
    iam.get_waiter("user_exists").wait(UserName="w")
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="w")
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)


def test_an_access_key_means_its_user(aws: Aws, account: str, server: Server) -> None:
    iam = aws("iam")
    user = iam.create_user(UserName="ada")["User"]
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    identity = session.client("sts", endpoint_url=server.url).get_caller_identity()
    assert identity["Arn"] == user["Arn"]
    assert identity["Account"] == account
    assert identity["UserId"] == user["UserId"]


def test_assumed_role_credentials_authenticate(aws: Aws, account: str, server: Server) -> None:
    role = aws("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)["Role"]
    answer = aws("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="shift")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/worker/shift"
    made = answer["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name="us-east-1")
    identity = session.client("sts", endpoint_url=server.url).get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert identity["UserId"] == f"{role['RoleId']}:shift"


def test_a_role_that_is_not_there_cannot_be_assumed(aws: Aws, account: str) -> None:
    with pytest.raises(ClientError) as raised:
        aws("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/none", RoleSessionName="shift")
    assert code(raised) == "AccessDenied"


def test_groups_have_members(aws: Aws) -> None:
    iam = aws("iam")
    iam.create_group(GroupName="g")
    iam.create_user(UserName="u")
    iam.add_user_to_group(GroupName="g", UserName="u")
    assert [user["UserName"] for user in iam.get_group(GroupName="g")["Users"]] == ["u"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="u")["Groups"]] == ["g"]
    with pytest.raises(ClientError) as raised:
        iam.delete_user(UserName="u")
    assert code(raised) == "DeleteConflict"


def test_users_and_groups_get_new_names_and_paths(aws: Aws, account: str, server: Server) -> None:
    iam = aws("iam")
    iam.create_group(GroupName="old")
    iam.create_user(UserName="before")
    iam.add_user_to_group(GroupName="old", UserName="before")
    key = iam.create_access_key(UserName="before")["AccessKey"]
    iam.update_user(UserName="before", NewUserName="after", NewPath="/team/")
    iam.update_group(GroupName="old", NewGroupName="new")
    assert [user["UserName"] for user in iam.get_group(GroupName="new")["Users"]] == ["after"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="after")["Groups"]] == ["new"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    identity = session.client("sts", endpoint_url=server.url).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{account}:user/team/after"
    with pytest.raises(ClientError):
        iam.get_user(UserName="before")


def test_a_stack_moves_a_user_in_place(aws: Aws) -> None:
    cloudformation = aws("cloudformation")

    def template(path: str) -> str:
        return json.dumps({"Resources": {"U": {"Type": "AWS::IAM::User", "Properties": {"Path": path}}}})

    named = {"StackName": "users", "Capabilities": ["CAPABILITY_IAM"]}
    cloudformation.create_stack(TemplateBody=template("/a/"), **named)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="users", WaiterConfig={"Delay": 1})
    before = aws("iam").list_users()["Users"][0]
    cloudformation.update_stack(TemplateBody=template("/b/"), **named)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="users", WaiterConfig={"Delay": 1})
    after = aws("iam").list_users()["Users"][0]
    assert (before["UserId"], before["Path"], after["Path"]) == (after["UserId"], "/a/", "/b/")
