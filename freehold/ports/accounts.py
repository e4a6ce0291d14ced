"""Accounts: what the control API asks of node about whole accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol


class AccountError(Exception):
    """It could not be done; the text says why and what to do. Nothing is left behind."""


class Accounts(Protocol):
    """Moves accounts in and out of a running server."""

    def leave(self, account: str) -> AsyncIterator[bytes]:
        """The file of an account, as of one commit. Raises AccountError before the first piece."""
        ...

    async def arrive(self, stream: AsyncIterator[bytes], account: str | None) -> dict[str, Any]:
        """Bring in the account of a file, all of it or nothing. `account` has to be the file's where it is given.

        Answers what came. Raises AccountError.
        """
        ...
