"""What a template's rule is refused for before anything is created."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.templates.functions import UNKNOWN
from freehold.services.events.resources import TYPES
from tests.services.events.support import ACCOUNT, QUEUE, REGION

RULE = next(kind for kind in TYPES if kind.name == "AWS::Events::Rule")
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"Targets": [{"Id": "a", "Arn": MACHINE}]}, "NotImplemented"),
        ({"Targets": [{"Id": "a", "Arn": "queue"}]}, "ValidationException"),
        ({"EventPattern": {"source": "app"}}, "InvalidEventPatternException"),
        ({"ScheduleExpression": "every day"}, "ValidationException"),
    ],
)
def test_what_can_be_seen_to_be_wrong_is_refused_early(properties: dict[str, Any], code: str) -> None:
    assert RULE.check is not None
    with pytest.raises(Fault) as caught:
        RULE.check(properties)
    assert caught.value.code == code


def test_what_is_not_known_yet_is_left_for_later() -> None:
    assert RULE.check is not None
    pattern = {"source": ["app"], "detail": {"bucket": [UNKNOWN]}}
    RULE.check({"EventPattern": pattern, "Targets": [{"Id": "a", "Arn": UNKNOWN}], "ScheduleExpression": UNKNOWN})
    RULE.check({"EventPattern": UNKNOWN, "Targets": UNKNOWN})
    RULE.check({"Targets": [UNKNOWN]})
    RULE.check({"EventPattern": {"source": ["app"]}, "Targets": [{"Id": "a", "Arn": QUEUE}]})
