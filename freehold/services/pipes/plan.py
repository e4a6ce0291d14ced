"""A pipe made ready to run: patterns, templates and paths compiled. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from freehold.ports.identity import Source
from freehold.rules.inputs import (
    MISSING,
    InvalidInput,
    Path,
    PipeVariables,
    Template,
    compile_path,
    compile_template,
    is_path,
)
from freehold.rules.inputs.pieces import as_json
from freehold.rules.inputs.templates import decoded
from freehold.rules.patterns import Index, eventbridge
from freehold.services.pipes import checks
from freehold.services.pipes.model import SERVICE, Pipe

ENCODED = ("body",)
"""The field of an SQS message that may hold JSON."""
DEFAULT_BATCH = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What a running pipe needs to know."""

    pipe: Pipe
    batch_size: int
    window_ms: int
    filters: Index | None
    enrichment_kind: str | None
    enrichment_template: Template | None
    enrichment_http: dict[str, Any]
    target_kind: str
    target_template: Template | None
    target: dict[str, Any]
    """The parameters of the kind of target."""

    @property
    def source(self) -> Source:
        """Who acts: the pipe, as its role."""
        pipe = self.pipe
        return Source(SERVICE, pipe.arn, pipe.account, pipe.role_arn)

    def variables(self, now: str) -> PipeVariables:
        pipe = self.pipe
        return PipeVariables(pipe.arn, pipe.name, pipe.source, pipe.target, pipe.enrichment or "", now)

    def wants(self, event: dict[str, Any]) -> bool:
        """Does any of the filters match?"""
        return self.filters is None or bool(self.filters.match(decoded(event, ENCODED)))

    def opened(self, value: Any) -> Any:
        """What paths of target parameters are about."""
        return value if self.enrichment_kind else decoded(value, ENCODED)


def plan_of(pipe: Pipe) -> Plan:
    """The plan of a pipe that has been checked."""
    queue = pipe.source_parameters.get("SqsQueueParameters", {})
    kind = checks.kind_of(pipe.target) or ""
    enrichment, parameters = pipe.enrichment_parameters, pipe.target_parameters
    return Plan(
        pipe=pipe,
        batch_size=queue.get("BatchSize", DEFAULT_BATCH),
        window_ms=queue.get("MaximumBatchingWindowInSeconds", 0) * 1000,
        filters=_filters(pipe.source_parameters.get("FilterCriteria", {})),
        enrichment_kind=checks.kind_of(pipe.enrichment) if pipe.enrichment else None,
        enrichment_template=_template(enrichment, ENCODED),
        enrichment_http=enrichment.get("HttpParameters", {}),
        target_kind=kind,
        target_template=_template(parameters, () if pipe.enrichment else ENCODED),
        target=parameters.get(checks.PARAMETERS.get(kind, ""), {}),
    )


def _filters(criteria: dict[str, Any]) -> Index | None:
    patterns = [each["Pattern"] for each in criteria.get("Filters", []) if each.get("Pattern")]
    if not patterns:
        return None
    index = Index()
    for number, pattern in enumerate(patterns):
        index.add(str(number), eventbridge.read(pattern))
    return index


def _template(parameters: dict[str, Any], encoded: tuple[str, ...]) -> Template | None:
    text = parameters.get("InputTemplate")
    return compile_template(text, encoded=encoded) if text else None


@lru_cache(maxsize=256)
def _path(text: str) -> Path:
    return compile_path(text)


def filled(value: Any, event: Any) -> Any:
    """Parameters with the event's values in the place of JSON paths. Raises InvalidInput where the event has none."""
    if isinstance(value, dict):
        return {filled(name, event): filled(each, event) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, event) for each in value]
    if not isinstance(value, str) or not is_path(value):
        return value
    found = _path(value)(event)
    if found is MISSING:
        raise InvalidInput(f"{value} is not in the event")
    return found if isinstance(found, str) else as_json(found)
