from __future__ import annotations

from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.support import ACCOUNT, ARN, World, package


def test_create_answers_pending_and_the_function_is_active() -> None:
    async def body(world: World) -> None:
        made = await world.create(Environment={"Variables": {"COLOR": "red"}}, Tags={"team": "a"})
        assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating"
        assert made["FunctionArn"] == f"{ARN}:hello" and made["Version"] == "$LATEST"
        found = await world("GetFunction", FunctionName="hello")
        shown = found["Configuration"]
        assert shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful"
        assert shown["Environment"] == {"Variables": {"COLOR": "red"}}
        assert (shown["Timeout"], shown["MemorySize"], shown["EphemeralStorage"]) == (3, 128, {"Size": 512})
        assert shown["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"}
        assert found["Tags"] == {"team": "a"}
        assert "Error" not in shown["RuntimeVersionConfig"]
        unpacked = list((world.data / "functions").iterdir())
        assert [path.name for path in unpacked[0].iterdir()] == ["app.py"]

    run(body)


def test_the_configuration_says_what_really_runs() -> None:
    async def body(world: World) -> None:
        made = await world.create(Runtime="python3.13")
        assert made["Runtime"] == "python3.13"
        assert "python3.11" in made["RuntimeVersionConfig"]["Error"]["Message"]
        world.runtime.lacks = "No walls."
        shown = await world("GetFunctionConfiguration", FunctionName="hello")
        message = shown["RuntimeVersionConfig"]["Error"]["Message"]
        assert "python3.11" in message and message.endswith(" No walls.")
        await refused(world.create("j", Runtime="java21"), "InvalidParameterValueException", "install openjdk")

    run(body)


def test_create_validates_as_lambda_does() -> None:
    async def body(world: World) -> None:
        await refused(world.create(Timeout=901), "ValidationException", "less than or equal to 900")
        await refused(world.create(MemorySize=10241), "ValidationException", "Value '10241' at 'memorySize'")
        await refused(
            world.create(Environment={"Variables": {"AWS_REGION": "x"}}),
            "InvalidParameterValueException",
            "Reserved keys used in this request: AWS_REGION",
        )
        await refused(
            world.create(Environment={"Variables": {"BIG": "x" * 4096}}),
            "InvalidParameterValueException",
            "exceeded the 4KB limit",
        )
        await refused(world.create("x" * 65), "ValidationException", "length less than or equal to 64")
        await refused(world.create(Code={"ZipFile": b"no zip"}), "InvalidParameterValueException", "Could not unzip")
        await refused(
            world.create(Code={"ZipFile": package(**{"a/": ""})}), "InvalidParameterValueException", "non-empty"
        )
        await refused(world.create(Handler=None), "InvalidParameterValueException", "Runtime and Handler are mandatory")
        await world.create()
        await refused(world.create(), "ResourceConflictException", "Function already exist: hello")

    run(body)


def test_what_is_not_implemented_is_refused_by_name() -> None:
    async def body(world: World) -> None:
        for settings in (
            {"PackageType": "Image"},
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
            {"SnapStart": {"ApplyOn": "PublishedVersions"}},
            {"KMSKeyArn": "arn:aws:kms:us-east-1:1:key/x"},
        ):
            fault = await refused(world.create(**settings), "NotImplemented", "does not implement")
            assert fault.status == 501
        await world.create(VpcConfig={"SubnetIds": []}, SnapStart={"ApplyOn": "None"}, KMSKeyArn="")

    run(body)


def test_code_from_s3_and_its_errors() -> None:
    async def body(world: World) -> None:
        world.objects["b", "k.zip"] = package(app__py="x" * 100_000)
        made = await world.create(Code={"S3Bucket": "b", "S3Key": "k.zip"})
        assert made["CodeSize"] == len(world.objects["b", "k.zip"])
        await refused(
            world.create("other", Code={"S3Bucket": "b", "S3Key": "none"}),
            "InvalidParameterValueException",
            "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        )

    run(body)


def test_addresses_by_name_partial_arn_and_arn() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        for text in ("hello", f"{ACCOUNT}:function:hello", "function:hello", f"{ARN}:hello", f"{ARN}:hello:$LATEST"):
            assert (await world("GetFunctionConfiguration", FunctionName=text))["FunctionName"] == "hello"
        assert (await world("GetFunctionConfiguration", FunctionName=f"{ARN}:hello:1"))["Version"] == "1"
        await refused(
            world("GetFunction", FunctionName="hello:1", Qualifier="2"),
            "InvalidParameterValueException",
            "does not match the specified qualifier",
        )
        await refused(
            world("GetFunction", FunctionName="hello", Qualifier="9"),
            "ResourceNotFoundException",
            f"Function not found: {ARN}:hello:9",
        )

    run(body)


def test_update_code_and_configuration_with_revision_checks() -> None:
    async def body(world: World) -> None:
        made = await world.create()
        dry = await world("UpdateFunctionCode", FunctionName="hello", ZipFile=package(b__py="1"), DryRun=True)
        assert dry["CodeSha256"] != made["CodeSha256"]
        assert (await world("GetFunctionConfiguration", FunctionName="hello"))["CodeSha256"] == made["CodeSha256"]
        changed = await world("UpdateFunctionCode", FunctionName="hello", ZipFile=package(b__py="1"))
        assert changed["LastUpdateStatus"] == "InProgress" and changed["RevisionId"] != made["RevisionId"]
        await refused(
            world("UpdateFunctionConfiguration", FunctionName="hello", Timeout=5, RevisionId=made["RevisionId"]),
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id",
        )
        await world("UpdateFunctionConfiguration", FunctionName="hello", Timeout=5, RevisionId=changed["RevisionId"])
        shown = await world("GetFunctionConfiguration", FunctionName="hello")
        assert shown["Timeout"] == 5 and shown["LastUpdateStatus"] == "Successful"
        assert world.runtime.retired == [f"{ARN}:hello"] * 2

    run(body)


def test_versions_freeze_latest_and_unchanged_code_gives_the_same_version() -> None:
    async def body(world: World) -> None:
        await world.create()
        one = await world("PublishVersion", FunctionName="hello", Description="first")
        again = await world("PublishVersion", FunctionName="hello")
        assert (one["Version"], again["Version"]) == ("1", "1")
        assert one["FunctionArn"] == f"{ARN}:hello:1" and one["State"] == "Pending" and again["State"] == "Active"
        await world("UpdateFunctionConfiguration", FunctionName="hello", MemorySize=256)
        two = await world("PublishVersion", FunctionName="hello")
        assert two["Version"] == "2"
        listed = await world("ListVersionsByFunction", FunctionName="hello")
        assert [each["Version"] for each in listed["Versions"]] == ["$LATEST", "1", "2"]
        assert [each["MemorySize"] for each in listed["Versions"]] == [256, 128, 256]
        await refused(
            world("PublishVersion", FunctionName="hello", CodeSha256="abc"),
            "InvalidParameterValueException",
            "CodeSHA256",
        )
        await world("DeleteFunction", FunctionName="hello", Qualifier="1")
        await refused(
            world("GetFunctionConfiguration", FunctionName="hello", Qualifier="1"), "ResourceNotFoundException"
        )
        await refused(
            world("DeleteFunction", FunctionName="hello", Qualifier="$LATEST"), "InvalidParameterValueException"
        )

    run(body)


def test_delete_takes_everything_with_it_and_the_package_goes() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1")
        await world("CreateFunctionUrlConfig", FunctionName="hello", AuthType="NONE")
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=5)
        await world("DeleteFunction", FunctionName="hello")
        await refused(world("GetFunction", FunctionName="hello"), "ResourceNotFoundException")
        left = await world.platform.store.read(lambda tx: tx.scan(b"\x02lambda", b"\x02lambdb"))
        kept = [key for key, value in left if value not in (b"\x80",)]  # an empty map of reserved concurrency may stay
        assert kept == [], kept

    run(body)


def test_lists_come_in_pages_of_fifty() -> None:
    async def body(world: World) -> None:
        for number in range(60):
            await world.create(f"f{number:02}")
        first = await world("ListFunctions")
        assert len(first["Functions"]) == 50
        second = await world("ListFunctions", Marker=first["NextMarker"])
        assert len(second["Functions"]) == 10 and "NextMarker" not in second
        every = await world("ListFunctions", FunctionVersion="ALL", MaxItems=3)
        assert every["Functions"][0]["FunctionArn"] == f"{ARN}:f00:$LATEST"
        await refused(world("ListFunctions", Marker="nonsense"), "InvalidParameterValueException")

    run(body)


def test_tags() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world("TagResource", Resource=f"{ARN}:hello", Tags={"a": "1", "b": "2"})
        await world("UntagResource", Resource=f"{ARN}:hello", TagKeys=["a"])
        assert (await world("ListTags", Resource=f"{ARN}:hello"))["Tags"] == {"b": "2"}

    run(body)


def test_a_guarded_server_refuses_roles_of_other_accounts() -> None:
    async def body(world: World) -> None:
        await refused(
            world.create(Role="arn:aws:iam::999999999999:role/x"), "AccessDeniedException", "Cross-account pass role"
        )

    run(body, guarded=True)
