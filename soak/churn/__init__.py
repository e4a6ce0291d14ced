"""What only a long run needs: workloads that make and delete resources, let things fail, and let things expire.

They follow the contract of `workloads.base.Workload`; the load over what stays is that of `workloads` itself. A step makes
something new, uses it, and deletes what has become old; `verify` deletes the rest and says what cannot be deleted.
"""

from soak.churn.apis import HttpApis, RestApis
from soak.churn.base import Churn
from soak.churn.buckets import BigObjects, Buckets
from soak.churn.deliveries import Buses, Pipes, Schedules, Topics
from soak.churn.functions import Failing, Functions, Poisoned
from soak.churn.identity import Roles
from soak.churn.journals import Groups
from soak.churn.queues import Expiring, QueuesChurn
from soak.churn.stacks import Stacks
from soak.churn.tables import TablesChurn

CHURN: tuple[tuple[type[Churn], float], ...] = (
    (QueuesChurn, 3.0),
    (Expiring, 1.0),
    (Topics, 4.0),
    (Buses, 5.0),
    (Schedules, 4.0),
    (Pipes, 20.0),
    (Functions, 8.0),
    (Failing, 1.0),
    (Poisoned, 1.0),
    (TablesChurn, 6.0),
    (Buckets, 8.0),
    (BigObjects, 5.0),
    (Groups, 4.0),
    (Roles, 4.0),
    (HttpApis, 8.0),
    (RestApis, 8.0),
    (Stacks, 15.0),
)
"""Each with the seconds between its steps at the moderate pace."""
