"""Exports: imported by other stacks, and protected while they are."""

from __future__ import annotations

from tests.services.cloudformation.support import Cloud, refused, run
from tests.services.cloudformation.things import Request, thing


def test_exports_are_imported_and_protected() -> None:
    async def body(cloud: Cloud) -> None:
        exporting: Request = {
            "Resources": {"A": thing(Name="a")},
            "Outputs": {"O": {"Value": {"Ref": "A"}, "Export": {"Name": "the-a"}}},
        }
        importing = {"Resources": {"B": thing(Color={"Fn::ImportValue": {"Fn::Sub": "the-a"}})}}
        assert await refused(cloud.create("user", importing)) == "No export named the-a found."
        stack = await cloud.create("owner", exporting)
        assert (await cloud.list_exports())["Exports"] == [
            {"ExportingStackId": stack["StackId"], "Name": "the-a", "Value": "a"}
        ]
        assert await refused(cloud.list_imports(ExportName="the-a")) == "Export 'the-a' is not imported by any stack."
        await cloud.create("user", importing)
        assert (await cloud.list_imports(ExportName="the-a"))["Imports"] == ["user"]
        failed = await cloud.delete("owner")
        assert failed["StackStatusReason"] == "Export the-a cannot be deleted as it is in use by user"
        assert "a" in cloud.things
        other = {"Resources": {"A": thing()}, "Outputs": exporting["Outputs"]}
        clash = await cloud.create("second", other)
        assert clash["StackStatus"] == "ROLLBACK_COMPLETE"
        assert clash["StackStatusReason"] == (
            "Export with name the-a is already exported by stack owner. Rollback requested by user."
        )
        await cloud.delete("user")
        await cloud.delete("owner")
        assert (await cloud.list_exports())["Exports"] == []

    run(body)


def test_an_export_in_use_cannot_change() -> None:
    async def body(cloud: Cloud) -> None:
        def exporting(value: str) -> Request:
            return {
                "Resources": {"A": thing(Color=value)},
                "Outputs": {"O": {"Value": value, "Export": {"Name": "x"}}},
            }

        await cloud.create("owner", exporting("one"))
        await cloud.create("user", {"Resources": {"B": thing(Color={"Fn::ImportValue": "x"})}})
        stack = await cloud.update("owner", exporting("two"))
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert stack["StackStatusReason"] == "Export x cannot be updated as it is in use by user"
        assert stack["Outputs"][0]["OutputValue"] == "one"

    run(body)
