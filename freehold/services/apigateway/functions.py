"""Which function an integration's URI means."""

from __future__ import annotations

import re
from functools import lru_cache

_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_${}.-]+(?::[A-Za-z0-9_${}.-]+)?")
_URI = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations")
_VARIABLE = re.compile(r"\$\{?stageVariables\.([A-Za-z0-9_]+)\}?")


@lru_cache(maxsize=1_024)
def arn_of(uri: str) -> str | None:
    """The function's ARN in an integration URI: the ARN itself, or API Gateway's path form; None for anything else."""
    found = _URI.fullmatch(uri)
    arn = found[1] if found else uri
    return arn if _FUNCTION.fullmatch(arn) else None


def with_variables(text: str, variables: dict[str, str]) -> str:
    """Stage variables put in their places."""
    if "stageVariables." not in text:
        return text
    return _VARIABLE.sub(lambda found: variables.get(found[1], ""), text)
