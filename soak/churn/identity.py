"""Roles, users and policies that come and go, and sessions that expire."""

from __future__ import annotations

import json
import random

from soak.churn.base import Churn

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class Roles(Churn):
    """A role with policies, sessions of the shortest duration, a user with a key."""

    name = "iam-churn"

    def make(self, name: str, rng: random.Random) -> None:
        iam, sts = self.cloud.client("iam"), self.cloud.client("sts")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=ALLOW)
        policy = iam.create_policy(PolicyName=name, PolicyDocument=ALLOW)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        iam.create_user(UserName=name)
        iam.create_access_key(UserName=name)
        for number in range(3):
            sts.assume_role(RoleArn=role, RoleSessionName=f"s{number}", DurationSeconds=900)
        iam.list_attached_role_policies(RoleName=name)

    def drop(self, name: str) -> None:
        iam = self.cloud.client("iam")
        policy = f"arn:aws:iam::{self.cloud.account}:policy/{name}"
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)
        iam.detach_role_policy(RoleName=name, PolicyArn=policy)
        iam.delete_policy(PolicyArn=policy)
        iam.delete_role_policy(RoleName=name, PolicyName="inline")
        iam.delete_role(RoleName=name)
