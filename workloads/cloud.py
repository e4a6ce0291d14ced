"""The server as a workload sees it: clients of one account at one address, through all lives of the process behind it."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

ENDED = (HTTPClientError, NoConnection, IncompleteReadError)
"""What botocore raises where an answer did not come, or not to its end."""


class Gone(Exception):
    """The connection ended: whether the server did what it was asked is unknown."""


class Unclear(Gone):
    """The server lives, and says that what it was asked to have done did not come to an answer: a function timed out."""


class Cloud:
    """An account at a URL. Clients never retry: an answer that did not come is for the ledger to know.

    `url` stays the same when the server is started again, and so do clients.
    """

    def __init__(self, url: str, account: str = "000000000000", region: str = "us-east-1") -> None:
        self.url, self.account, self.region = url, account, region
        self._session: Any = boto3.session.Session(
            aws_access_key_id=account, aws_secret_access_key="test", region_name=region
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def client(self, service: str) -> Client:
        """A client, made once."""
        with self._making:
            if service not in self._clients:
                config = Config(
                    retries={"max_attempts": 0}, read_timeout=60, parameter_validation=False, max_pool_connections=50
                )
                self._clients[service] = Client(
                    self._session.client(service, endpoint_url=self.url, config=config), service
                )
            return self._clients[service]  # type: ignore[no-any-return]

    def arn(self, service: str, resource: str) -> str:
        """`arn("sqs", "queue")`."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def queue_url(self, name: str) -> str:
        return f"{self.url}/{self.account}/{name}"

    def role(self, name: str = "any") -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"

    def open(self, path: str, body: bytes | None = None) -> bytes:
        """The answer of a request that is no AWS SDK's: POST where there is a body. Raises Gone, HTTPError."""
        request = urllib.request.Request(self.url + path, data=body)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as ended:
            raise Gone(str(ended)) from ended


class Client:
    """A boto3 client whose methods raise Gone where the connection ended."""

    def __init__(self, client: Any, service: str) -> None:
        self._client, self._service = client, service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            try:
                return method(**request)
            except ENDED as ended:
                raise Gone(str(ended)) from ended

        setattr(self, operation, call)
        return call

    def pages(self, operation: str, result: str, **request: Any) -> list[Any]:
        """All entries of a listing: `pages("list_objects_v2", "Contents", Bucket=...)`."""
        try:
            found = self._client.get_paginator(operation).paginate(**request)
            return [entry for page in found for entry in page.get(result, [])]
        except ENDED as ended:
            raise Gone(str(ended)) from ended

    def wait(self, waiter: str, **request: Any) -> None:
        """Until a waiter of boto3 is content, asking often."""
        options = {"Delay": 0.1, "MaxAttempts": 600}
        try:
            self._client.get_waiter(waiter).wait(**request, WaiterConfig=options)
        except ENDED as ended:
            raise Gone(str(ended)) from ended


def read(body: Any) -> bytes:
    """All of a streamed answer. Raises Gone."""
    try:
        return bytes(body.read())
    except ENDED as ended:
        raise Gone(str(ended)) from ended


def code(problem: ClientError) -> str:
    """The error code of a refusal."""
    return str(problem.response["Error"]["Code"])
