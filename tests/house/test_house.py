"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from freehold import wire
from freehold.node.assemble import manifests
from freehold.node.config import Config
from freehold.ports.manifest import Manifest
from freehold.ports.resources import Choice

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "freehold").rglob("*.py"))
MAX_LINES = 600
BROAD_ALLOWED = ("freehold/front/", "freehold/work/", "freehold/runtime/", "freehold/store/")
"""Where worker loops and the front door are."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_file_is_longer_than_600_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_only_node_config_reads_the_environment() -> None:
    allowed = {"freehold/node/config.py"}
    readers = {
        relative(path)
        for path in SOURCES
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text()) and "/runtime/bootstrap/" not in relative(path)
    }
    assert readers <= allowed


def broad_handlers() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            )
            # Cleaning up and raising on hides nothing.
            if broad and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None):
                yield f"{relative(path)}:{node.lineno}"


def test_broad_excepts_stand_at_the_front_door_and_worker_loops_only() -> None:
    assert [where for where in broad_handlers() if not where.startswith(BROAD_ALLOWED)] == []


@pytest.mark.parametrize("manifest", manifests(), ids=lambda manifest: manifest.model)
def test_every_handler_names_an_operation_of_its_model(manifest: Manifest) -> None:
    known = {operation.snake_name for operation in wire.load(manifest.model).operations.values()}
    for module in manifest.handlers:
        tree = ast.parse(Path(str(module.__file__)).read_text())
        for node in tree.body:
            if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
                arguments = [argument.arg for argument in node.args.args]
                if arguments == ["call", "request"]:
                    assert node.name in known, f"{module.__name__}.{node.name}"


def test_every_operation_has_one_handler_at_most() -> None:
    for manifest in manifests():
        for operation in wire.load(manifest.model).operations.values():
            owners = [
                module.__name__
                for module in manifest.handlers
                if getattr(getattr(module, operation.snake_name, None), "__module__", None) == module.__name__
            ]
            assert len(owners) <= 1, (operation.name, owners)


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    for field in fields(Config):
        assert f"`{field.name}`" in text, field.name


def test_every_dependency_is_documented() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(name for group in project["optional-dependencies"].values() for name in group)]
    for requirement in named:
        name = re.split(r"[><=~\[]", requirement)[0]
        assert f"**{name}**" in text, name


def only_choices(schema: object) -> bool:
    """A property that takes nothing but what is true anyway (and refuses the rest) needs no reader."""
    if isinstance(schema, dict):
        return all(only_choices(inner) for inner in schema.values())
    return isinstance(schema, Choice)


def test_every_resource_property_is_read_by_its_service() -> None:
    """A property that CloudFormation accepts and nothing reads would be stored and ignored."""
    for manifest in manifests():
        if not manifest.types:
            continue
        folder = Path(str(manifest.handlers[0].__file__)).parent
        text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
        for kind in manifest.types:
            for name, schema in kind.properties.items():
                if only_choices(schema):
                    continue
                # Once in the schema, and at least once where it acts.
                assert len(re.findall(rf"\b{name}\b", text)) >= 2, f"{kind.name}.{name}"


# Members that no handler names, and why that ignores nothing.
MEMBERS_WITHOUT_EFFECT = {
    ("apigatewayv2", "ExportVersion"): "the only version of the export algorithm is 1.0",
    ("dynamodb", "NextToken"): "a table's tags fit one page: no token is ever given",
    ("sts", "ExternalId"): "a condition of trust policies, which are not evaluated yet (differences.md)",
    ("logs", "accountIdentifiers"): "read by the account filter of linked accounts, which is refused",
    ("logs", "interleaved"): "AWS ignores it: results are always interleaved",
    ("logs", "sequenceToken"): "AWS ignores it",
    ("logs", "unmask"): "data protection, which masks, is refused",
    ("s3", "RequestPayer"): "acts on Requester Pays buckets only, which are refused",
    ("s3", "BypassGovernanceRetention"): "acts on Object Lock only, which is refused",
    ("s3", "OptionalObjectAttributes"): "restore status, of archived objects only, which are refused",
    ("s3", "SkipDestinationValidation"): "acts on destinations, which are refused",
    ("s3", "ConfirmRemoveSelfBucketAccess"): "the root may always change a bucket's policy",
    ("cloudformation", "CallAs"): "StackSets only",
    ("cloudformation", "UniqueId"): "SignalResource refuses by name",
}
# Prefixes by which a service reads members together: f"Checksum{algorithm}", name.startswith("CopySourceIf").
READ_BY_PREFIX = {
    "s3": ("Checksum", "CopySourceIf", "CopySourceSSECustomer"),
    "cloudformation": ("StackPolicyDuringUpdate",),
}


@pytest.mark.parametrize("manifest", [m for m in manifests() if m.handlers], ids=lambda manifest: manifest.model)
def test_every_member_of_an_operation_is_read(manifest: Manifest) -> None:
    """A member that nothing reads would be accepted and ignored."""
    folder = (
        ROOT
        / "freehold"
        / "services"
        / Path(str(manifest.handlers[0].__file__)).relative_to(ROOT / "freehold" / "services").parts[0]
    )
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    prefixes = READ_BY_PREFIX.get(manifest.model, ())
    for operation in wire.load(manifest.model).operations.values():
        handled = any(getattr(module, operation.snake_name, None) for module in manifest.handlers)
        for member in operation.input.members if handled and operation.input is not None else ():
            if (manifest.model, member) in MEMBERS_WITHOUT_EFFECT or (prefixes and member.startswith(prefixes)):
                continue
            assert re.search(rf"\b{re.escape(member)}\b", text), f"{manifest.model}:{operation.name}.{member}"
