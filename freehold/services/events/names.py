"""Names and ARNs of event buses and rules. Pure."""

from __future__ import annotations

from typing import NamedTuple

from freehold.kit import arns
from freehold.kit.faults import Fault

DEFAULT = "default"


class BusName(NamedTuple):
    """An event bus: account, region, name."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:events:{self.region}:{self.account}:event-bus/{self.name}"

    def rule_arn(self, rule: str) -> str:
        """The ARN of a rule: rules of custom buses carry the name of their bus."""
        path = rule if self.name == DEFAULT else f"{self.name}/{rule}"
        return f"arn:aws:events:{self.region}:{self.account}:rule/{path}"


def parse_bus(name_or_arn: str | None, account: str, region: str) -> BusName:
    """The bus that a request of an account names, the account's default bus where it names none.

    Rules and events may name a bus of another account by its ARN; another region's bus is not found here, as on AWS.
    """
    if not name_or_arn:
        return BusName(account, region, DEFAULT)
    if not name_or_arn.startswith("arn:"):
        return BusName(account, region, name_or_arn)
    found = bus_of_arn(name_or_arn)
    if found is None:
        raise Fault(
            "ValidationException",
            f"Parameter {name_or_arn} is not valid. Reason: Provided Arn is not in correct format.",
        )
    return found


def bus_of_arn(arn: str) -> BusName | None:
    """The bus of an ARN, None for what is no ARN of a bus."""
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != "events" or not parsed.resource.startswith("event-bus/"):
        return None
    return BusName(parsed.account, parsed.region, parsed.resource.removeprefix("event-bus/"))


def rule_of_arn(arn: str) -> tuple[BusName, str] | None:
    """The bus and name of a rule's ARN, None for what is no ARN of a rule."""
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != "events" or not parsed.resource.startswith("rule/"):
        return None
    bus, _, rule = parsed.resource.removeprefix("rule/").rpartition("/")
    return BusName(parsed.account, parsed.region, bus or DEFAULT), rule
