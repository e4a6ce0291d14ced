"""Trace headers of invocations, and segments where a function traces actively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.work.traces import Segment

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


def header_for(platform: Platform, spec: FunctionSpec, given: str | None) -> str | None:
    """The X-Amzn-Trace-Id that an invocation starts with: the caller's, else a new one that is not sampled. Where the
    function traces actively it decides for itself about what the caller left open."""
    if spec.tracing:
        return given
    if given is not None:
        return given if "Sampled=" in given else f"{given};Parent={platform.ids.hex(16)};Sampled=0"
    drawn = platform.ids.hex(40)
    return f"Root=1-{int(platform.clock.now()):08x}-{drawn[:24]};Parent={drawn[24:]};Sampled=0"


class Traced:
    """The two segments of a traced invocation: the service's, and below it the function's, which is the parent of
    whatever the function records (X-Ray: "AWS::Lambda" and "AWS::Lambda::Function")."""

    def __init__(self, platform: Platform, spec: FunctionSpec, invocation: Invocation) -> None:
        traces = platform.traces
        trace = traces.begin(invocation.trace_header, sampled=traces.decide())
        service = traces.segment(trace, spec.account, spec.region, spec.name, origin="AWS::Lambda")
        function = traces.segment(service.trace, spec.account, spec.region, spec.name, origin="AWS::Lambda::Function")
        service.put("aws", {"request_id": invocation.request_id})
        service.put("resource_arn", spec.arn)
        function.put("aws", {"function_arn": invocation.arn})
        self.service: Segment = service
        self.function: Segment = function
        self.invocation = replace(invocation, trace_header=function.trace.header)

    def end(self, outcome: Outcome | None) -> None:
        """Record both; a function error is a fault of the function's segment and an error of the service's."""
        if outcome is None:
            self.service.put("throttle", True)
            self.service.put("http", {"response": {"status": 429}})
        else:
            self.service.put("http", {"response": {"status": 200}})
            if outcome.function_error is not None:
                self.service.put("error", True)
                self.function.put("fault", True)
            self.function.end()
        self.service.end()
