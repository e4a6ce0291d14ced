"""APIs that come and go and are deployed again and again."""

from __future__ import annotations

import random
from typing import Any

from soak.churn.base import Churn
from soak.churn.functions import HELLO


class _Apis(Churn):
    alive = 2

    def setup(self) -> None:
        super().setup()
        self._ids: dict[str, str] = {}
        self._function = f"{self.prefix()}-function"
        self.function(self._function, HELLO)
        self.cloud.client("lambda").add_permission(
            FunctionName=self._function,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )

    def arn(self) -> str:
        """Of the function behind the API."""
        return self.cloud.arn("lambda", f"function:{self._function}")


class HttpApis(_Apis):
    """An HTTP API with a route, a stage, deployments."""

    name = "http-api-churn"

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("apigatewayv2")
        api = self._ids[name] = client.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        integration = client.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=self.arn(), PayloadFormatVersion="2.0"
        )["IntegrationId"]
        client.create_route(ApiId=api, RouteKey="GET /hello", Target=f"integrations/{integration}")
        client.create_stage(ApiId=api, StageName="live")
        for _ in range(3):
            deployment = client.create_deployment(ApiId=api)["DeploymentId"]
            client.update_stage(ApiId=api, StageName="live", DeploymentId=deployment)
            self.cloud.open(f"/_apis/{api}/live/hello")

    def drop(self, name: str) -> None:
        self.cloud.client("apigatewayv2").delete_api(ApiId=self._ids.pop(name))


class RestApis(_Apis):
    """A REST API with a method to a function and one that answers by itself."""

    name = "rest-api-churn"

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("apigateway")
        api = self._ids[name] = client.create_rest_api(name=name)["id"]
        root = client.get_resources(restApiId=api)["items"][0]["id"]
        self._method(api, root, "hello", {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": self._uri()})
        mock = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
        resource = self._method(api, root, "mock", mock)
        where: dict[str, Any] = {"restApiId": api, "resourceId": resource, "httpMethod": "GET", "statusCode": "200"}
        client.put_method_response(**where)
        client.put_integration_response(**where)
        deployments = []
        for _ in range(3):
            deployments.append(client.create_deployment(restApiId=api, stageName="live")["id"])
            self.cloud.open(f"/_apis/{api}/live/hello")
            self.cloud.open(f"/_apis/{api}/live/mock")
        client.delete_deployment(restApiId=api, deploymentId=deployments[0])

    def _method(self, api: str, root: str, path: str, integration: dict[str, Any]) -> str:
        client = self.cloud.client("apigateway")
        resource = str(client.create_resource(restApiId=api, parentId=root, pathPart=path)["id"])
        where = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        client.put_method(**where, authorizationType="NONE")
        client.put_integration(**where, **integration)
        return resource

    def _uri(self) -> str:
        return f"arn:aws:apigateway:{self.cloud.region}:lambda:path/2015-03-31/functions/{self.arn()}/invocations"

    def drop(self, name: str) -> None:
        self.cloud.client("apigateway").delete_rest_api(restApiId=self._ids.pop(name))
