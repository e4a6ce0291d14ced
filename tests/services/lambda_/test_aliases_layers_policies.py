from __future__ import annotations

import json

from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.support import ACCOUNT, ARN, REGION, World, package

OTHER = "444455556666"
LAYERS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer"


def test_aliases_live_as_documented() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        made = await world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1", Description="d")
        assert made["AliasArn"] == f"{ARN}:hello:live" and made["FunctionVersion"] == "1"
        await refused(
            world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1"),
            "ResourceConflictException",
            f"Alias already exists: {ARN}:hello:live",
        )
        await refused(
            world("CreateAlias", FunctionName="hello", Name="x", FunctionVersion="7"),
            "ResourceNotFoundException",
            f"Function not found: {ARN}:hello:7",
        )
        await refused(
            world("GetAlias", FunctionName="hello", Name="none"),
            "ResourceNotFoundException",
            f"Cannot find alias arn: {ARN}:hello:none",
        )
        await refused(
            world("DeleteFunction", FunctionName="hello", Qualifier="1"),
            "ResourceConflictException",
            "reference it: [live]",
        )
        listed = await world("ListAliases", FunctionName="hello", FunctionVersion="1")
        assert [alias["Name"] for alias in listed["Aliases"]] == ["live"]
        assert (await world("GetFunction", FunctionName="hello:live"))["Configuration"]["Version"] == "1"
        await world("DeleteAlias", FunctionName="hello", Name="live")
        await world("DeleteAlias", FunctionName="hello", Name="live")
        await world("DeleteFunction", FunctionName="hello", Qualifier="1")

    run(body)


def test_routing_has_rules() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("UpdateFunctionCode", FunctionName="hello", ZipFile=package(b__py=""), Publish=True)

        def alias(version: str, **weights: float) -> object:
            routes = {key[1:]: weight for key, weight in weights.items()}
            return world(
                "CreateAlias",
                FunctionName="hello",
                Name="live",
                FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": routes},
            )

        await refused(alias("1", _1=0.5), "InvalidParameterValueException", "already included")  # type: ignore[arg-type]
        await refused(alias("$LATEST", _1=0.5), "InvalidParameterValueException", "$LATEST")  # type: ignore[arg-type]
        await refused(alias("1", _9=0.5), "ResourceNotFoundException")  # type: ignore[arg-type]
        await alias("1", _2=0.5)  # type: ignore[misc]
        made = await world("UpdateAlias", FunctionName="hello", Name="live", FunctionVersion="1", Description="x")
        assert made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
        made = await world("UpdateAlias", FunctionName="hello", Name="live", RoutingConfig={})
        assert "RoutingConfig" not in made
        await refused(
            world("UpdateAlias", FunctionName="hello", Name="live", RevisionId="x"), "PreconditionFailedException"
        )

    run(body)


def test_layers_are_versions_of_archives_and_functions_keep_them() -> None:
    async def body(world: World) -> None:
        first = await world(
            "PublishLayerVersion",
            LayerName="lib",
            Content={"ZipFile": package(a__txt="1")},
            CompatibleRuntimes=["python3.11"],
            Description="d",
        )
        assert first["LayerVersionArn"] == f"{LAYERS}:lib:1" and first["Version"] == 1
        second = await world("PublishLayerVersion", LayerName="lib", Content={"ZipFile": package(a__txt="2")})
        assert second["Version"] == 2
        await world.create(Layers=[f"{LAYERS}:lib:1"])
        await world("DeleteLayerVersion", LayerName="lib", VersionNumber=1)
        await world("DeleteLayerVersion", LayerName="lib", VersionNumber=1)
        await refused(world("GetLayerVersion", LayerName="lib", VersionNumber=1), "ResourceNotFoundException")
        await world("Invoke", FunctionName="hello")
        (layer,) = world.runtime.seen[0][0].layers
        assert (layer / "a.txt").read_text() == "1"
        await refused(
            world.create("x", Layers=[f"{LAYERS}:lib:1"]),
            "InvalidParameterValueException",
            f"Layer version {LAYERS}:lib:1 does not exist.",
        )
        await refused(
            world.create("x", Layers=[f"{LAYERS}:l{n}:1" for n in range(6)]), "InvalidParameterValueException", "than 5"
        )
        await refused(
            world.create("x", Layers=[f"{LAYERS}:lib:2", f"{LAYERS}:lib:1"]),
            "InvalidParameterValueException",
            "Two different",
        )
        third = await world("PublishLayerVersion", LayerName="lib", Content={"ZipFile": package(a__txt="3")})
        assert third["Version"] == 3
        listed = await world("ListLayerVersions", LayerName="lib", MaxItems=1)
        assert [each["Version"] for each in listed["LayerVersions"]] == [3]
        listed = await world("ListLayerVersions", LayerName="lib", Marker=listed["NextMarker"])
        assert [each["Version"] for each in listed["LayerVersions"]] == [2]
        layers = (await world("ListLayers"))["Layers"]
        assert [(each["LayerName"], each["LatestMatchingVersion"]["Version"]) for each in layers] == [("lib", 3)]
        assert (await world("GetLayerVersionByArn", Arn=f"{LAYERS}:lib:3"))["Version"] == 3
        await world("UpdateFunctionConfiguration", FunctionName="hello", Layers=[])
        assert "Layers" not in await world("GetFunctionConfiguration", FunctionName="hello")

    run(body)


def test_layers_of_other_accounts_need_their_permission() -> None:
    async def body(world: World) -> None:
        await world("PublishLayerVersion", LayerName="lib", Content={"ZipFile": package(a__txt="1")})
        arn = f"{LAYERS}:lib:1"
        await refused(
            world("GetLayerVersionByArn", account=OTHER, Arn=arn), "AccessDeniedException", "lambda:GetLayerVersion"
        )
        said = await world(
            "AddLayerVersionPermission",
            LayerName="lib",
            VersionNumber=1,
            StatementId="all",
            Action="lambda:GetLayerVersion",
            Principal="*",
        )
        assert json.loads(said["Statement"])["Resource"] == arn
        await world("GetLayerVersionByArn", account=OTHER, Arn=arn)
        policy = json.loads((await world("GetLayerVersionPolicy", LayerName="lib", VersionNumber=1))["Policy"])
        assert [each["Sid"] for each in policy["Statement"]] == ["all"]
        await world("RemoveLayerVersionPermission", LayerName="lib", VersionNumber=1, StatementId="all")
        await refused(world("GetLayerVersionPolicy", LayerName="lib", VersionNumber=1), "ResourceNotFoundException")

    run(body)


def test_permissions_are_statements() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        added = await world(
            "AddPermission",
            FunctionName="hello",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn="arn:aws:execute-api:us-east-1:1:x/*",
            SourceAccount=ACCOUNT,
        )
        assert json.loads(added["Statement"]) == {
            "Sid": "api",
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": f"{ARN}:hello",
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": ACCOUNT},
                "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:1:x/*"},
            },
        }
        again = {"FunctionName": "hello", "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "*"}
        await refused(
            world("AddPermission", **again),
            "ResourceConflictException",
            "The statement id (api) provided already exists. Please provide a new statement id, or remove the existing",
        )
        await world("AddPermission", **again, Qualifier="1")
        policy = await world("GetPolicy", FunctionName="hello", Qualifier="1")
        assert json.loads(policy["Policy"])["Statement"][0]["Resource"] == f"{ARN}:hello:1"
        await refused(
            world("RemovePermission", FunctionName="hello", StatementId="api", RevisionId="stale"),
            "PreconditionFailedException",
        )
        await refused(
            world("RemovePermission", FunctionName="hello", StatementId="zzz"),
            "ResourceNotFoundException",
            "Statement zzz",
        )
        await world("RemovePermission", FunctionName="hello", StatementId="api")
        await refused(world("GetPolicy", FunctionName="hello"), "ResourceNotFoundException")
        await refused(world("AddPermission", **again, Qualifier="$LATEST"), "InvalidParameterValueException", "$LATEST")
        await refused(
            world("AddPermission", **(again | {"Principal": "no such"})), "InvalidParameterValueException", "principal"
        )

    run(body)


def test_reserved_concurrency_leaves_a_hundred_for_the_others() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=900)
        await world.create("other")
        await refused(
            world("PutFunctionConcurrency", FunctionName="other", ReservedConcurrentExecutions=1),
            "InvalidParameterValueException",
            "below its minimum value of [100]",
        )
        settings = await world("GetAccountSettings")
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
        assert settings["AccountUsage"]["FunctionCount"] == 2
        found = await world("GetFunction", FunctionName="hello")
        assert found["Concurrency"] == {"ReservedConcurrentExecutions": 900}
        await world("DeleteFunction", FunctionName="hello")
        assert (await world("GetAccountSettings"))["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
        assert await world("GetFunctionConcurrency", FunctionName="other") == {}

    run(body)
