"""Loads that know what they were told: one module per service, shared by `./dev crash` and `./dev soak`.

A workload drives one service the way a client does, writes down in a ledger what the server acknowledged, and can say
later, after a crash, a power cut or an hour, whether all of it is there and nothing else. The contract is
`workloads.base.Workload`: `setup()`, `step(rng)`, `verify(ledger, patience)`.

To join with a new service: write `workloads/<service>.py` with one class (those of `ssm`, `dynamodb` and `sqs` are the
shortest), and add it to `LOADS` below. Both commands, and the tests of tests/crash, drive it from then on.
"""

from workloads.apis import HttpApis, RestApis
from workloads.base import Workload
from workloads.cloud import Cloud, Gone
from workloads.dynamodb import Tables
from workloads.events import Events
from workloads.functions import Functions, Mappings
from workloads.iam import Identities
from workloads.ledger import Ledger
from workloads.logs import Logs
from workloads.messaging import Messaging
from workloads.pipes import Pipes
from workloads.s3 import Objects
from workloads.scheduler import Schedules
from workloads.sns import OrderedTopics, Topics
from workloads.sqs import Queues
from workloads.ssm import Parameters
from workloads.stacks import Stacks

LOADS: tuple[type[Workload], ...] = (
    Queues,
    Topics,
    OrderedTopics,
    Events,
    Schedules,
    Pipes,
    Functions,
    Mappings,
    Messaging,
    Tables,
    Objects,
    Logs,
    Parameters,
    Identities,
    HttpApis,
    RestApis,
    Stacks,
)
"""Every workload there is."""

__all__ = ["LOADS", "Cloud", "Gone", "Ledger", "Workload"]
