"""Roles with policies, and users with access keys."""

from __future__ import annotations

import json
import random

from workloads import making
from workloads.base import Workload
from workloads.ledger import Ledger

ROLE, POLICY, USER, KEY = "role ", "policy of ", "user ", "key of "


class Identities(Workload):
    """The value of a policy is the number that it allows; a user's is its tag; a key's is whether it is active."""

    name = "iam"

    def setup(self) -> None:
        """Nothing is needed."""

    def step(self, rng: random.Random) -> None:
        if rng.random() < 0.7:
            self._role(rng)
        else:
            self._user()

    def _role(self, rng: random.Random) -> None:
        iam, number = self.cloud.client("iam"), self.next()
        name = f"{ROLE}{number % 20}"
        role, policy = self._named(name), f"{POLICY}{name}"
        if name not in self.ledger.present(ROLE):
            with self.ledger.write(name, "there"):
                making.role(self.cloud, role, "lambda.amazonaws.com")
            return
        if policy in self.ledger.present(POLICY) and rng.random() < 0.3:
            with self.ledger.write(policy, None):
                iam.delete_role_policy(RoleName=role, PolicyName="one")
            with self.ledger.write(name, None):
                iam.delete_role(RoleName=role)
            return
        allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{number}"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        with self.ledger.write(policy, number):
            iam.put_role_policy(RoleName=role, PolicyName="one", PolicyDocument=document)

    def _user(self) -> None:
        iam, known = self.cloud.client("iam"), self.ledger.present(USER)
        if len(known) >= 10:
            self._delete_user(known[0])
            return
        name = f"{USER}{self.next()}"
        with self.ledger.write(name, name):
            iam.create_user(UserName=self._named(name), Tags=[{"Key": "name", "Value": name}])
        with self.ledger.write(f"{KEY}{name}", "Active"):
            iam.create_access_key(UserName=self._named(name))

    def _delete_user(self, name: str) -> None:
        iam, user = self.cloud.client("iam"), self._named(name)
        for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            with self.ledger.write(f"{KEY}{name}", None):
                iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        with self.ledger.write(name, None):
            iam.delete_user(UserName=user)

    def _named(self, name: str) -> str:
        return f"{self.prefix()}-{name.replace(' ', '-')}"

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        iam, begin = self.cloud.client("iam"), len(self.prefix()) + 1
        found: dict[str, str | int] = {}
        for role in iam.pages("list_roles", "Roles"):
            if role["RoleName"].startswith(self._named(ROLE)):
                name = role["RoleName"][begin:].replace("-", " ")
                found[name] = "there"
                for _ in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="one")
                    number = policy["PolicyDocument"]["Statement"][0]["Resource"].rpartition(":")[2]
                    found[f"{POLICY}{name}"] = int(number)
        for user in iam.pages("list_users", "Users"):
            if user["UserName"].startswith(self._named(USER)):
                name = user["UserName"][begin:].replace("-", " ")
                tags = iam.list_user_tags(UserName=user["UserName"])["Tags"]
                found[name] = tags[0]["Value"]
                for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
                    found[f"{KEY}{name}"] = key["Status"]
        return ledger.compare(found)
