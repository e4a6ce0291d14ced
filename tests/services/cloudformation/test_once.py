"""Creates whose identifier is fresh at each call: a crash between the call and the row that remembers it doubles nothing.

CloudFormation over the real API Gateway, EventBridge and IAM, which die after each of their and its commits in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from freehold.front.calls import InternalCalls
from freehold.front.offer import Offer
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.kit.tuples import span
from freehold.services.apigateway import service as apigateway
from freehold.services.cloudformation.engine import engine
from freehold.services.events import service as events
from freehold.services.iam import service as iam
from freehold.work.meters import Meters
from freehold.work.outbox import Outbox
from freehold.work.traces import Traces
from tests.services.cloudformation.support import ACCOUNT, PRINCIPAL, REGION, Cloud
from tests.services.cloudformation.test_resume import Dying
from tests.services.cloudformation.things import Request

MANIFESTS = (*apigateway.MANIFESTS, events.MANIFEST, *iam.MANIFESTS)


class House(Cloud):
    """CloudFormation with services that are real. Fewer draws are alike: a new process has other ids."""

    def __init__(self, store: Any = None, seed: int = 7) -> None:
        super().__init__(store)
        platform = self.platform
        platform.ids = Ids(seed)
        platform.outbox = Outbox(self.store, self.clock, Ids(seed), platform.tasks)
        platform.meters = Meters(self.store, self.clock, platform.tasks)
        platform.traces = Traces(self.store, self.clock, Ids(seed), platform.tasks)
        offer = Offer(list(MANIFESTS))
        for manifest in MANIFESTS:
            for name, port in manifest.ports(platform).items() if manifest.ports else ():
                setattr(platform, name, port)
            platform.resource_types |= {kind.name: kind for kind in manifest.types}
        platform.calls = InternalCalls(platform, offer)

    async def asked(self, service: str, operation: str, **request: Any) -> Request:
        return await self.platform.calls.call(
            service, operation, request, principal=PRINCIPAL, account=ACCOUNT, region=REGION
        )


def reference(logical_id: str) -> Request:
    return {"Ref": logical_id}


def resource(kind: str, **properties: Any) -> Request:
    return {"Type": f"AWS::{kind}", "Properties": properties}


API: Request = {"ApiId": reference("Api")}
REST: Request = {"RestApiId": reference("Rest")}
MOCK: Request = {"Type": "MOCK", "IntegrationResponses": [{"StatusCode": "200"}]}
HTTP_APIS: Request = {
    "Api": resource("ApiGatewayV2::Api", Name="a", ProtocolType="HTTP"),
    "Imported": resource("ApiGatewayV2::Api", Body={"openapi": "3.0.1", "info": {"title": "i"}, "paths": {}}),
    "Integration": resource(
        "ApiGatewayV2::Integration",
        **API,
        IntegrationType="HTTP_PROXY",
        IntegrationUri="http://x.test",
        IntegrationMethod="GET",
        PayloadFormatVersion="1.0",
    ),
    "Authorizer": resource(
        "ApiGatewayV2::Authorizer",
        **API,
        Name="j",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://i.test", "Audience": ["x"]},
    ),
    "Route": resource(
        "ApiGatewayV2::Route",
        **API,
        RouteKey="GET /",
        Target={"Fn::Join": ["/", ["integrations", reference("Integration")]]},
    ),
    "Deployment": {**resource("ApiGatewayV2::Deployment", **API), "DependsOn": ["Route"]},
    "Stage": resource("ApiGatewayV2::Stage", **API, StageName="s", DeploymentId=reference("Deployment")),
}
REST_APIS: Request = {
    "Rest": resource("ApiGateway::RestApi", Name="r", Description="d"),
    "Imported": resource(
        "ApiGateway::RestApi", Body={"swagger": "2.0", "info": {"title": "i", "version": "1"}, "paths": {}}
    ),
    "Part": resource("ApiGateway::Resource", **REST, ParentId={"Fn::GetAtt": ["Rest", "RootResourceId"]}, PathPart="p"),
    "Method": resource(
        "ApiGateway::Method",
        **REST,
        ResourceId=reference("Part"),
        HttpMethod="GET",
        AuthorizationType="NONE",
        Integration=MOCK,
        MethodResponses=[{"StatusCode": "200"}],
    ),
    "Model": resource("ApiGateway::Model", **REST, Name="m", Schema={"type": "object"}),
    "Deployment": {**resource("ApiGateway::Deployment", **REST), "DependsOn": ["Method"]},
    "Stage": resource("ApiGateway::Stage", **REST, StageName="s", DeploymentId=reference("Deployment")),
}
NAMED: Request = {
    "User": resource("IAM::User", UserName="u"),
    "Key": resource("IAM::AccessKey", UserName=reference("User")),
    "Policy": resource(
        "IAM::ManagedPolicy",
        ManagedPolicyName="p",
        PolicyDocument={
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
        },
    ),
    "Bus": resource("Events::EventBus", Name="b"),
    "Connection": resource(
        "Events::Connection",
        Name="c",
        AuthorizationType="API_KEY",
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}},
    ),
    "Destination": resource(
        "Events::ApiDestination",
        Name="d",
        ConnectionArn={"Fn::GetAtt": ["Connection", "Arn"]},
        HttpMethod="POST",
        InvocationEndpoint="https://x.test/",
    ),
    "Archive": resource("Events::Archive", ArchiveName="a", SourceArn={"Fn::GetAtt": ["Bus", "Arn"]}),
}


async def everything(house: House) -> Counter[str]:
    """How many there are of each thing in the account."""
    found: Counter[str] = Counter()
    for api in (await house.asked("apigatewayv2", "GetApis"))["Items"]:
        found["apis"] += 1
        for noun in ("Routes", "Integrations", "Authorizers", "Deployments", "Stages"):
            found[noun] += len((await house.asked("apigatewayv2", f"Get{noun}", ApiId=api["ApiId"]))["Items"])
    for api in (await house.asked("apigateway", "GetRestApis"))["items"]:
        found["rest apis"] += 1
        for noun in ("Resources", "Authorizers", "Models", "Deployments"):
            answer = await house.asked("apigateway", f"Get{noun}", restApiId=api["id"])
            found[f"rest {noun}"] += len(answer["items"])
        found["rest stages"] += len((await house.asked("apigateway", "GetStages", restApiId=api["id"]))["item"])
    for user in (await house.asked("iam", "ListUsers"))["Users"]:
        keys = await house.asked("iam", "ListAccessKeys", UserName=user["UserName"])
        found["users"] += 1
        found["keys"] += len(keys["AccessKeyMetadata"])
    found["policies"] = len((await house.asked("iam", "ListPolicies", Scope="Local"))["Policies"])
    found["buses"] = len((await house.asked("events", "ListEventBuses"))["EventBuses"])
    found["connections"] = len((await house.asked("events", "ListConnections"))["Connections"])
    found["destinations"] = len((await house.asked("events", "ListApiDestinations"))["ApiDestinations"])
    found["archives"] = len((await house.asked("events", "ListArchives"))["Archives"])
    return found


async def created(template: Request, commits: int | None) -> tuple[House, int]:
    """A stack whose server dies after a number of commits and is started again, and how many commits it takes in all."""
    house = House()
    dying = Dying(house.store)
    house.platform.store = cast(Any, dying)
    if commits is not None:
        dying.left = commits
    before = dying.left
    try:
        await house.create("s", {"Resources": template}, Capabilities=["CAPABILITY_NAMED_IAM"])
    except asyncio.CancelledError:
        pass
    await house.platform.tasks.close()
    again = House(house.store, seed=8)
    await engine(again.platform).resume()
    for task in list(engine(again.platform)._tasks.values()):
        await task
    return again, before - dying.left


@pytest.mark.parametrize("template", [HTTP_APIS, REST_APIS, NAMED], ids=["http", "rest", "named"])
def test_a_crash_at_any_commit_leaves_one_of_each(template: Request) -> None:
    async def main() -> None:
        whole, most = await created(template, None)
        assert (await whole.done("s"))["StackStatus"] == "CREATE_COMPLETE"
        expected = await everything(whole)
        unfinished = 0
        for commits in range(1, most):
            house, _ = await created(template, commits)
            try:
                stack = await house.done("s")
            except Fault:
                continue
            unfinished += 1
            assert (commits, stack["StackStatus"]) == (commits, "CREATE_COMPLETE")
            assert (commits, await everything(house)) == (commits, expected)
            assert await house.store.read(lambda tx: tx.scan(*span("cloudformation", ACCOUNT, REGION, "o"))) == []
            await house.platform.tasks.close()
        assert unfinished > len(template)
        await whole.platform.tasks.close()

    asyncio.run(main())
