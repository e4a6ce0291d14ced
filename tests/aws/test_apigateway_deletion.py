"""Deleting an API of a server that is killed: gone for whoever asks, and nothing of it stays on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from freehold.kit.tuples import pack, unpack
from freehold.testing import Freehold
from tests.aws.conftest import Server
from tests.node.test_checks import Broken, found

ACCOUNT, REGION = "000000000000", "us-east-1"
MANY = 2_500
"""Deployments: more than a transaction of the store may remove."""


@pytest.mark.parametrize("kind", ["http", "rest"])
def test_a_deleted_api_leaves_nothing_although_the_server_is_killed(tmp_path: Path, kind: str) -> None:
    server = _start(tmp_path / "data")
    rest, http = server.client("apigateway"), server.client("apigatewayv2")
    if kind == "rest":
        api = rest.create_rest_api(name="many")
        where = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
        rest.put_method(**where, authorizationType="NONE")
        rest.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        rest.create_deployment(restApiId=api["id"], stageName="prod")
        prefix, api_id = "rest-", api["id"]
    else:
        api_id = http.create_api(Name="many", ProtocolType="HTTP", Target="http://127.0.0.1:9/")["ApiId"]
        prefix = ""
    server.freehold.kill()
    _multiply(tmp_path / "data", f"{prefix}deployment", api_id)

    server = _start(tmp_path / "data")
    rest, http = server.client("apigateway"), server.client("apigatewayv2")
    if kind == "rest":
        rest.delete_rest_api(restApiId=api_id)
    else:
        http.delete_api(ApiId=api_id)
    server.freehold.kill()
    assert found(tmp_path / "data") == []

    server = _start(tmp_path / "data")
    rest, http = server.client("apigateway"), server.client("apigatewayv2")
    with pytest.raises(ClientError) as caught:
        if kind == "rest":
            rest.get_deployments(restApiId=api_id)
        else:
            http.get_deployments(ApiId=api_id)
    assert caught.value.response["Error"]["Code"] == "NotFoundException"
    server.freehold.clock.advance(1)  # returns when all that is due has been done
    server.freehold.kill()
    store = Broken(tmp_path / "data")
    assert [unpack(key) for key, _ in store.rows("apigateway", ACCOUNT)] == []
    store.database.close()
    assert found(tmp_path / "data") == []


def _start(directory: Path) -> Server:
    """On SQLite, whatever the others run on: rows are written into its directory."""
    return Server(Freehold(data=directory, manual_clock=True).start(), directory)


def _multiply(directory: Path, kind: str, api_id: str) -> None:
    """Give an API many more deployments like the one it has."""
    store = Broken(directory)
    key, row = store.first("apigateway", ACCOUNT, REGION, kind, api_id)
    known = str(unpack(key)[5]).encode()
    with store.database:
        for number in range(MANY):
            held = row.replace(known, f"{number:06}".encode())
            store.put(pack("apigateway", ACCOUNT, REGION, kind, api_id, f"{number:06}"), held)
    store.database.close()
