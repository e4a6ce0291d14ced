"""HTTP and REST APIs in front of a function; routes and stage variables come, change and go."""

from __future__ import annotations

import random
import urllib.error

from workloads import making
from workloads.arriving import Delivering, InTable
from workloads.cloud import Unclear
from workloads.ledger import Ledger

ROUTE = "route "
VARIABLE = "variable "


class HttpApis(Delivering):
    """What the API answered with 200 is in the table of the function behind it."""

    name = "apigateway-http"
    repeats = True

    def setup(self) -> None:
        self._table_and_function()
        client, arn = self.cloud.client("apigatewayv2"), self._function
        self._api = client.create_api(Name=self.prefix(), ProtocolType="HTTP", Target=arn)["ApiId"]
        self._path = f"/_apis/{self._api}/{self.prefix()}"
        self._integration = client.get_integrations(ApiId=self._api)["Items"][0]["IntegrationId"]

    def _table_and_function(self) -> None:
        making.table(self.cloud, self.prefix())
        self._function = making.function(self.cloud, self.prefix(), self.prefix())
        self.cloud.client("lambda").add_permission(
            FunctionName=self.prefix(),
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        self.arrivals = InTable(self.cloud, self.prefix())

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.2:
            self.take()
        elif choice < 0.4:
            self.manage(rng)
        else:
            self.deliver(1)

    def send(self, names: list[str]) -> None:
        try:
            self.cloud.open(self._path, names[0].encode())
        except urllib.error.HTTPError as refused:
            if refused.code in (502, 503, 504):  # what is behind it failed, or took too long to start
                raise Unclear(f"{self._path} answered {refused.code}") from refused
            raise RuntimeError(f"{self._path} answered {refused.code}: {refused.read()[:300]!r}") from refused

    def manage(self, rng: random.Random) -> None:
        """Routes; the ids that the server gave are kept for their deletion."""
        client, known = self.cloud.client("apigatewayv2"), self.ledger.present(ROUTE)
        if len(known) >= 15:
            found = client.pages("get_routes", "Items", ApiId=self._api)
            id = next(each["RouteId"] for each in found if each["RouteKey"] == _key(known[0]))
            with self.ledger.write(known[0], None):
                client.delete_route(ApiId=self._api, RouteId=id)
            return
        name = f"{ROUTE}{self.next()}"
        with self.ledger.write(name, "there"):
            target = f"integrations/{self._integration}"
            client.create_route(ApiId=self._api, RouteKey=_key(name), Target=target)

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        found = self.cloud.client("apigatewayv2").pages("get_routes", "Items", ApiId=self._api)
        keys = [each["RouteKey"] for each in found if each["RouteKey"] != "$default"]
        routes = {ROUTE + key.removeprefix(_key(ROUTE)): "there" for key in keys}
        return ledger.compare(routes, ROUTE) + self.arrived(ledger, patience)


def _key(name: str) -> str:
    return f"GET /unused/{name.removeprefix(ROUTE)}"


class RestApis(HttpApis):
    """The same behind a REST API, whose deployed stage changes its variables."""

    name = "apigateway"

    def setup(self) -> None:
        self._table_and_function()
        client = self.cloud.client("apigateway")
        api = client.create_rest_api(name=self.prefix())
        self._api = api["id"]
        where = {"restApiId": self._api, "resourceId": api["rootResourceId"], "httpMethod": "POST"}
        client.put_method(**where, authorizationType="NONE")
        begin = f"arn:aws:apigateway:{self.cloud.region}:lambda:path/2015-03-31/functions"
        client.put_integration(
            **where, type="AWS_PROXY", integrationHttpMethod="POST", uri=f"{begin}/{self._function}/invocations"
        )
        client.create_deployment(restApiId=self._api, stageName="live")
        self._path = f"/_apis/{self._api}/live/"

    def manage(self, rng: random.Random) -> None:
        """Variables of the stage, and deployments."""
        number = self.next()
        name = f"{VARIABLE}{number % 15}"
        path = f"/variables/{name.replace(' ', '_')}"
        if name in self.ledger.present(VARIABLE) and rng.random() < 0.3:
            patch, value = {"op": "remove", "path": path}, None
        else:
            patch, value = {"op": "replace", "path": path, "value": str(number)}, str(number)
        with self.ledger.write(name, value):
            self.cloud.client("apigateway").update_stage(restApiId=self._api, stageName="live", patchOperations=[patch])

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        stage = self.cloud.client("apigateway").get_stage(restApiId=self._api, stageName="live")
        found = {key.replace("_", " "): value for key, value in stage.get("variables", {}).items()}
        return ledger.compare(found, VARIABLE) + self.arrived(ledger, patience)
