"""Duties: named work that exactly one node does, wherever there are several.

A node declares a duty (`duties.run(name, work)`); all nodes that see the same rows declare the same duties. On a store with
a single owner the work begins at once and nothing is written. On a shared store a duty has a row {owner, epoch, next}:

- Each duty prefers one of the living members (rendezvous hashing over name and member), so that duties spread evenly and
  few of them move when a member comes or goes.
- A duty that is free, or whose owner is dead, is taken by the member that it prefers; if that one does not want it (it
  runs another version, say), by whoever wants it a little later.
- A member that is preferred for a duty which another living one holds asks for it (`next`). The owner asks its work to end
  (`lease.ending`), waits for it as long as `patience` says, and releases the duty to the one that asked.
- Every transaction that acts calls `lease.check(tx)`: an owner that was paused or cut off, and replaced, cannot write,
  whatever its clocks say. One that cannot show that it lives stops by itself.
"""

from freehold.work.duties.duty import Duty, Work
from freehold.work.duties.preference import preferred
from freehold.work.duties.room import Duties
from freehold.work.leases import Held

__all__ = ["Duties", "Duty", "Held", "Work", "preferred"]
