"""Who may do what with a queue: its policy, for services, for callers of other accounts, and where it denies."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.identity import Source
from freehold.rules.resource_policies import ALLOW, DENY, Caller, request_context
from freehold.services.sqs.model import Queue

ANYWHERE = frozenset(
    (
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
    )
)
"""What a queue's policy can allow to other accounts (each operation's documentation says so of the others)."""


MOST_ADMITTED = 1_000
"""Sources that a queue remembers as admitted."""


def check_call(call: Call, queue: Queue, action: str) -> None:
    """Raise AccessDenied where the caller may not do this. The owner's account may, unless the policy denies it."""
    own = call.principal.account == queue.place.account
    if own and not queue.denies:
        return
    principal = call.principal
    http = call.http
    decision = None
    if queue.policy is not None:
        context = {
            "aws:SecureTransport": "true"
            if http is None or http.scheme == "https" or _loopback(http.client)
            else "false",
            "aws:SourceIp": http.client if http is not None else None,
            "aws:PrincipalArn": principal.arn,
            "aws:PrincipalAccount": principal.account,
            "aws:userid": principal.user_id,
            "aws:PrincipalIsAWSService": "true" if principal.service else "false",
        }
        caller = Caller(principal.arn, principal.account, principal.service)
        decision = _decide(queue, caller, action, context)
    if decision == DENY:
        raise _denied(principal.arn, queue, action, "with an explicit deny in a resource-based policy")
    if not own and (decision != ALLOW or action not in ANYWHERE):
        raise _denied(principal.arn, queue, action)


def check_source(queue: Queue, source: Source) -> None:
    """Raise AccessDenied where a service may not send here for its resource.

    As a role of the queue's account it may, unless the policy denies it; else the policy has to allow it.
    """
    if source in queue.admitted:
        return
    own = source.role is not None and _account(source.role) == queue.place.account
    if own and not queue.denies:
        return
    context = {
        "aws:SecureTransport": "true",
        "aws:SourceArn": source.arn,
        "aws:SourceAccount": source.account,
        "aws:PrincipalIsAWSService": "true" if source.role is None else "false",
        "aws:PrincipalServiceName": source.service if source.role is None else None,
        "aws:PrincipalArn": source.role,
    }
    if source.role is None:
        caller = Caller("", "", source.service)
    else:
        caller = Caller(source.role, _account(source.role))
    decision = _decide(queue, caller, "SendMessage", context)
    if decision == DENY or (decision != ALLOW and not own):
        raise _denied(source.role or source.service, queue, "SendMessage")
    # Nothing that a policy may ask about changes from one message of a source to the next.
    if len(queue.admitted) < MOST_ADMITTED:
        queue.admitted.add(source)


def _decide(queue: Queue, caller: Caller, action: str, context: Mapping[str, str | None]) -> str | None:
    if queue.policy is None:
        return None
    return queue.policy.decide(caller, f"sqs:{action}", queue.arn, request_context(context))


def _denied(
    who: str, queue: Queue, action: str, why: str = "because no resource-based policy allows the sqs:{} action"
) -> Fault:
    action = action.lower()
    return Fault(
        "AccessDenied",
        f"User: {who} is not authorized to perform: sqs:{action} on resource: {queue.arn} {why.format(action)}",
        status=403,
    )


def _account(arn: str) -> str:
    parsed = arns.parse(arn)
    return parsed.account if parsed is not None else ""


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
