"""What a server acknowledged, and what it may have done.

Everything a workload does is a name that gets a value: an item, an object, a message that is in its queue, an event that
arrives in a table. Absence is the value None. One thread writes a ledger, one attempt after the other, so that after an
interruption a name has the value that was acknowledged last, or one that was tried since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workloads.cloud import Gone


@dataclass(slots=True)
class Attempt:
    """A value that was tried; `ended` is None while nobody knows how it ended. Stamps are those of the ledger's `stamp`."""

    value: Any
    began: int
    ended: int | None = None


class Ledger:
    """Names and the values they may have.

    `stamp` gives the moment of every beginning and acknowledgement, as the length of a record of the disk; with it the
    whole history is kept, so that `as_of` can tell what was known at a moment. Without it a ledger is as large as what it
    describes, however long it runs.
    """

    def __init__(self, stamp: Callable[[], int] | None = None) -> None:
        self._stamp = stamp
        self._forgets = stamp is None
        self._history: dict[str, list[Attempt]] = {}
        self.acknowledged = 0
        """How many values were acknowledged."""
        self.unknown = 0
        """How many attempts ended with the connection."""

    @contextlib.contextmanager
    def write(self, name: str, value: Any) -> Iterator[None]:
        """Try to give a name a value (None: remove it) within the block.

        A block that ends is an acknowledgement; `Gone` leaves the attempt open; any other exception is a refusal: the
        server said that it did nothing.
        """
        with self.write_many({name: value}):
            yield

    @contextlib.contextmanager
    def write_many(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Several names with one request."""
        tried = {name: Attempt(value, self._now()) for name, value in values.items()}
        for name, attempt in tried.items():
            self._history.setdefault(name, []).append(attempt)
        try:
            yield
        except Gone:
            self.unknown += len(tried)
            raise
        except BaseException:
            for name, attempt in tried.items():
                self._history[name].remove(attempt)
                self._drop_empty(name)
            raise
        ended = self._now()
        for name, attempt in tried.items():
            attempt.ended = ended
            self.acknowledged += 1
            self._shorten(name)

    def possible(self, name: str) -> list[Any]:
        """The values that a name may have, the acknowledged one (or None) first."""
        history = self._history.get(name, [])
        last = max((at for at, attempt in enumerate(history) if attempt.ended is not None), default=-1)
        known = [history[last].value] if last >= 0 else [None]
        return known + [attempt.value for attempt in history[last + 1 :] if attempt.value not in known]

    def present(self, of: str = "") -> list[str]:
        """Names that certainly have a value, the oldest first; those that begin with `of`."""
        return [name for name in self._history if name.startswith(of) and None not in self.possible(name)]

    def names(self, of: str = "") -> list[str]:
        """Names that have or may have a value, the oldest first; those that begin with `of`."""
        return [name for name in self._history if name.startswith(of) and self.possible(name) != [None]]

    def began(self, name: str) -> bool:
        """Was it ever tried? A ledger without stamps forgets what was removed, and says yes."""
        return self._forgets or name in self._history

    def get(self, name: str) -> Any:
        """The value that was acknowledged last."""
        return self.possible(name)[0]

    def compare(
        self,
        found: Mapping[str, Any],
        of: str = "",
        *,
        late: bool = False,
        hidden: bool = False,
        moving: Collection[str] = (),
    ) -> list[str]:
        """What cannot be, one line each: `found` are all names that begin with `of`, but for those that are `moving`: they
        are on their way to a value. `late`: what is missing may still come. `hidden`: what is missing and may be absent may
        also be there, unseen (a message in flight, and those behind it in its group).

        What was found is certain from now on: it has been served, so it may not change by itself any more.
        """
        wrong = []
        for name in [*(name for name in self._history if name.startswith(of) and name not in found), *found]:
            if name in moving:
                continue
            value, possible = found.get(name), self.possible(name)
            if value in possible:
                if value is not None or not (late or hidden):
                    self.certain(name, value)
            elif value is not None:
                wrong.append(f"{name} is {value!r}, but can only be {_either(possible)}")
            elif not late:
                wrong.append(f"{name} is not there, but was acknowledged as {_either(possible)}")
        return wrong

    def certain(self, name: str, value: Any) -> None:
        """It was seen: what was unknown about a name is known."""
        now = self._now()
        self._history.setdefault(name, []).append(Attempt(value, now, now))
        self._shorten(name)

    def ends(self) -> list[int]:
        """The stamps of all acknowledgements that are still known."""
        return [each.ended for history in self._history.values() for each in history if each.ended is not None]

    def as_of(self, moment: int) -> Ledger:
        """The ledger as it was at a stamp: what ended later is unknown, what began later has not been."""
        then = Ledger()
        then._forgets = False
        for name, history in self._history.items():
            known = [attempt for attempt in history if attempt.began <= moment]
            for attempt in known:
                ended = attempt.ended if attempt.ended is not None and attempt.ended <= moment else None
                then._history.setdefault(name, []).append(Attempt(attempt.value, attempt.began, ended))
                then.acknowledged += ended is not None
                then.unknown += ended is None
        return then

    def _now(self) -> int:
        return self._stamp() if self._stamp is not None else 0

    def _shorten(self, name: str) -> None:
        """Without stamps nobody asks for what was before the last acknowledgement."""
        if self._stamp is None:
            last = self._history[name][-1]
            self._history[name] = [last] if last.value is not None else []
            self._drop_empty(name)

    def _drop_empty(self, name: str) -> None:
        if not self._history[name]:
            del self._history[name]


def _either(values: list[Any]) -> str:
    return " or ".join("absent" if value is None else repr(value) for value in values)
