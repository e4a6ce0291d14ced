"""`freehold deploy`: local code is packaged, and what goes wrong is one line."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.aws.conftest import ROOT, Server

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: code.handler
      CodeUri: source
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /hello}}
Outputs:
  ApiId: {Value: !Ref ServerlessHttpApi}
"""


def deploy(url: str, account: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    command = [sys.executable, "-m", "freehold", "deploy", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def write(directory: Path, answer: str) -> None:
    (directory / "source").mkdir(parents=True, exist_ok=True)
    (directory / "source" / "code.py").write_text(f"def handler(event, context): return {answer!r}")
    (directory / "template.yaml").write_text(TEMPLATE)


def test_an_application_with_local_code_is_deployed_and_updated(server: Server, account: str, tmp_path: Path) -> None:
    for answer in ("first", "second"):
        write(tmp_path / "shop", answer)
        done = deploy(server.url, account, str(tmp_path / "shop"))
        assert done.returncode == 0 and "as the stack shop" in done.stderr, done
        (line,) = done.stdout.splitlines()
        with urllib.request.urlopen(f"{server.url}/_apis/{line.removeprefix('ApiId = ')}/hello") as got:
            assert got.read().decode() == answer
    assert deploy(server.url, account, str(tmp_path / "shop")).stdout == done.stdout, "nothing to do"


def test_code_that_globals_name_is_packaged(server: Server, account: str, tmp_path: Path) -> None:
    write(tmp_path / "shop", "shared")
    template = TEMPLATE.replace("      CodeUri: source\n", "")
    shared = "Globals: {Function: {CodeUri: source}}\n"
    (tmp_path / "shop" / "template.yaml").write_text(shared + template)
    done = deploy(server.url, account, str(tmp_path / "shop"))
    assert done.returncode == 0, done
    with urllib.request.urlopen(f"{server.url}/_apis/{done.stdout.split(' = ')[1].strip()}/hello") as got:
        assert got.read().decode() == "shared"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "There is no template at"),
        ("Resources: [", "YAML not well-formed"),
        ("- a list", "unsupported structure"),
        ("Resources: nothing", "Resources"),
        ("Resources: {A: {Type: 'AWS::Sky::Castle'}}", "AWS::Sky::Castle"),
        (TEMPLATE.replace("CodeUri: source", "CodeUri: missing"), "CodeUri missing does not exist"),
        ("Resources: {A: {Type: 'AWS::SSM::Parameter', Properties: {Type: String, Value: ''}}}", "A: "),
    ],
)
def test_what_is_wrong_is_one_line(
    server: Server, account: str, tmp_path: Path, template: str | None, words: str
) -> None:
    file = tmp_path / "template.yaml"
    if template is not None:
        file.write_text(template)
    done = deploy(server.url, account, str(file), "--stack", "wrong")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("freehold: ") and words in line and "Traceback" not in done.stderr, done.stderr


def test_no_server_is_one_line(account: str, tmp_path: Path) -> None:
    write(tmp_path, "x")
    done = deploy("http://127.0.0.1:9", account, str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "freehold: Nothing answers at http://127.0.0.1:9. Start it with: freehold up"
