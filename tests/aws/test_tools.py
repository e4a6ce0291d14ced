"""The tools people have: aws-cli and SAM, with nothing but AWS_ENDPOINT_URL and credentials in the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.aws.conftest import ROOT, Server

TOOLS = ROOT / ".venv-tools" / "bin"


def tool(name: str) -> str:
    """A tool that `./dev test` installs, or one on the path."""
    own = TOOLS / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; ./dev test installs it")
    return found


class Shell:
    """Runs tools against one server as one account."""

    def __init__(self, server: Server, account: str, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = kept | {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAM_CLI_TELEMETRY": "0",
            "HOME": str(home),
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
        }

    def __call__(self, name: str, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [tool(name), *arguments], cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, f"{name} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def shell(server: Server, account: str, tmp_path: Path) -> Shell:
    return Shell(server, account, tmp_path)


APP = """
import json, os

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"hello": os.environ["WHOM"], "path": event["path"]})}
"""
TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: 10
    Tracing: Active
    LoggingConfig: {LogFormat: JSON}
  Api:
    TracingEnabled: true
Parameters:
  Whom: {Type: String, Default: world}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.11
      Architectures: [arm64]
      Environment: {Variables: {WHOM: !Ref Whom}}
      Events:
        Hello:
          Type: Api
          Properties: {Path: /hello, Method: get}
Outputs:
  Api: {Value: !Ref ServerlessRestApi}
  Url: {Value: !Sub "https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/hello/"}
"""


def project(directory: Path) -> Path:
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "app.py").write_text(APP)
    (directory / "src" / "requirements.txt").write_text("")
    (directory / "template.yaml").write_text(TEMPLATE)
    return directory


def outputs(shell: Shell, stack: str) -> dict[str, str]:
    described = json.loads(shell("aws", "cloudformation", "describe-stacks", "--stack-name", stack))
    return {each["OutputKey"]: each["OutputValue"] for each in described["Stacks"][0]["Outputs"]}


def test_sam_builds_deploys_updates_and_deletes(shell: Shell, server: Server, tmp_path: Path) -> None:
    where = project(tmp_path / "hello")
    deploy = ["deploy", "--stack-name", "hello", "--resolve-s3", "--capabilities", "CAPABILITY_IAM"]
    shell("sam", "build", cwd=where)
    shell("sam", *deploy, "--no-confirm-changeset", cwd=where)
    api = outputs(shell, "hello")["Api"]
    with urllib.request.urlopen(f"{server.url}/_apis/{api}/Prod/hello") as answer:
        assert json.loads(answer.read()) == {"hello": "world", "path": "/hello"}
    # curl resolves *.localhost by itself.
    port = server.url.rpartition(":")[2]
    by_host = subprocess.run(
        ["curl", "-s", f"http://{api}.execute-api.localhost:{port}/Prod/hello"], capture_output=True, timeout=20
    )
    assert json.loads(by_host.stdout)["hello"] == "world"
    shell("sam", *deploy, "--no-confirm-changeset", "--parameter-overrides", "Whom=you", cwd=where)
    with urllib.request.urlopen(f"{server.url}/_apis/{api}/Prod/hello") as answer:
        assert json.loads(answer.read())["hello"] == "you"
    shell("sam", "delete", "--stack-name", "hello", "--no-prompts", "--region", "us-east-1", cwd=where)
    stacks = json.loads(shell("aws", "cloudformation", "describe-stacks"))["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["aws-sam-cli-managed-default"]


def test_the_cli_copies_objects_and_deploys_templates(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(os.urandom(20 << 20))
    shell("aws", "s3", "mb", "s3://cli-bucket")
    shell("aws", "s3", "cp", "big.bin", "s3://cli-bucket/dir/big.bin", cwd=tmp_path)
    shell("aws", "s3", "cp", "s3://cli-bucket/dir/big.bin", "back.bin", cwd=tmp_path)
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    assert "big.bin" in shell("aws", "s3", "ls", "s3://cli-bucket/dir/")
    template = tmp_path / "table.yaml"
    template.write_text(
        "Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: cli-table\n"
        "      BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]\n"
        "      KeySchema: [{AttributeName: id, KeyType: HASH}]\n"
    )
    shell("aws", "cloudformation", "deploy", "--template-file", str(template), "--stack-name", "table")
    item = json.dumps({"id": {"S": "1"}, "n": {"N": "5"}})
    shell("aws", "dynamodb", "put-item", "--table-name", "cli-table", "--item", item)
    assert json.loads(shell("aws", "dynamodb", "scan", "--table-name", "cli-table"))["Count"] == 1


def test_the_cli_invokes_and_reads_logs(shell: Shell, tmp_path: Path) -> None:
    where = project(tmp_path / "tail")
    (where / "src" / "app.py").write_text("def handler(event, context):\n    print('seen', event)\n    return 1\n")
    shutil.make_archive(str(where / "package"), "zip", where / "src")
    trust = json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        }
    )
    role = json.loads(shell("aws", "iam", "create-role", "--role-name", "tail", "--assume-role-policy-document", trust))
    options = ["--runtime", "python3.11", "--handler", "app.handler", "--role", role["Role"]["Arn"]]
    shell(
        "aws",
        "lambda",
        "create-function",
        "--function-name",
        "tail",
        *options,
        "--zip-file",
        "fileb://package.zip",
        cwd=where,
    )
    shell("aws", "lambda", "wait", "function-active-v2", "--function-name", "tail")
    shell("aws", "lambda", "invoke", "--function-name", "tail", "--payload", '{"a": 1}', "out.json", cwd=where)
    assert (where / "out.json").read_text() == "1"
    for _ in range(20):
        seen = shell("aws", "logs", "filter-log-events", "--log-group-name", "/aws/lambda/tail")
        if "REPORT" in seen:
            break
    assert "seen {'a': 1}" in seen
