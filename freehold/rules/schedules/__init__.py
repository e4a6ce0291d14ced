"""Schedule expressions of EventBridge rules and EventBridge Scheduler as a pure engine: when does what happen next.

- `expressions`: `rate(...)`, `cron(...)` and `at(...)` as values with `next_after`; `parse`, `zone`
- `cron`: the six fields of AWS's cron dialect

EventBridge evaluates in UTC; Scheduler in the schedule's time zone, where (Scheduler User Guide, "Schedule types") a time
that does not exist in spring is skipped, a time that exists twice in autumn counts once, and rates are not concerned: a
day is 24 hours.
"""

from freehold.rules.schedules.expressions import (
    CATCH_UP_MS,
    At,
    Cron,
    Expression,
    ExpressionError,
    Rate,
    following,
    parse,
    zone,
)

__all__ = ["CATCH_UP_MS", "At", "Cron", "Expression", "ExpressionError", "Rate", "following", "parse", "zone"]
