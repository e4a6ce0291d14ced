"""`./dev demo`: start Freehold, deploy the order service, drive real requests at it, and say what that was like.

Everything goes through the doors that any AWS tool uses. `--keep` leaves the platform running.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from freehold.node.deploy import deploy

TEMPLATE = Path(__file__).parent / "orders" / "template.yaml"
CUSTOMERS = ("ada", "grace", "edsger", "barbara")

# AWS's public prices in us-east-1, USD (July 2026): requests and GB-seconds of Lambda, requests of HTTP APIs, request
# units of DynamoDB on demand.
LAMBDA_REQUEST, LAMBDA_GB_SECOND = 0.20e-6, 0.0000166667
HTTP_API_REQUEST, WRITE_UNIT, READ_UNIT = 1.00e-6, 0.625e-6, 0.125e-6


class Platform:
    """A Freehold that this demo started."""

    def __init__(self, data: str, port: int) -> None:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "freehold", "up", "--port", str(port), "--data", data]
        log = Path(data) / "server.log"
        with log.open("w") as errors:  # not this terminal: one that is kept outlives it
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"ready at (http://\S+)", line)
            if found:
                self.url = found.group(1)
                self.seconds_to_ready = time.perf_counter() - begun
                return
        sys.exit(log.read_text().strip())

    def stop(self) -> None:
        """As Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


class Api:
    """The order service over HTTP, timed."""

    def __init__(self, url: str, api: str) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        self.prefix = f"/_apis/{api}"
        self.milliseconds: list[float] = []

    def call(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        """One request; anything but the expected status ends the demo."""
        begun = time.perf_counter()
        self.connection.request(method, self.prefix + path, json.dumps(body) if body is not None else None)
        response = self.connection.getresponse()
        answer = response.read()
        self.milliseconds.append((time.perf_counter() - begun) * 1e3)
        if response.status != expect:
            sys.exit(f"{method} {path} answered {response.status}: {answer.decode(errors='replace')[:400]}")
        return json.loads(answer)


def traffic(api: Api, orders: int) -> None:
    """Place orders, read each, ship every other one (twice, to be refused once), list what customers have."""
    for number in range(orders):
        customer = CUSTOMERS[number % len(CUSTOMERS)]
        lines = [{"sku": f"book-{number}", "quantity": 1 + number % 3, "price": 12.5}]
        placed = api.call("POST", "/orders", {"customer": customer, "lines": lines}, 201)
        assert api.call("GET", f"/orders/{placed['id']}")["state"] == "PLACED"
        if number % 2 == 0:
            assert api.call("PUT", f"/orders/{placed['id']}/shipped")["state"] == "SHIPPED"
            api.call("PUT", f"/orders/{placed['id']}/shipped", expect=409)
    for customer in CUSTOMERS:
        listed = api.call("GET", f"/customers/{customer}/orders")["orders"]
        assert listed and all(order["customer"] == customer for order in listed)
    api.call("GET", "/orders/none", expect=404)


def reports(session: boto3.Session, url: str) -> list[dict[str, float]]:
    """Billed duration (ms) and memory size (MB) of every invocation, from the REPORT lines in CloudWatch Logs."""
    logs = session.client("logs", endpoint_url=url)
    found = []
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/"):
        for group in page["logGroups"]:
            events = logs.get_paginator("filter_log_events")
            for lines in events.paginate(logGroupName=group["logGroupName"], filterPattern="REPORT"):
                for event in lines["events"]:
                    billed = re.search(r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB", event["message"])
                    if billed:
                        found.append({"ms": float(billed[1]), "mb": float(billed[2])})
    return found


def price(invocations: list[dict[str, float]], requests: int, writes: int, reads: float) -> float:
    """USD that AWS would have charged beyond its free tier."""
    gb_seconds = sum(one["ms"] / 1e3 * one["mb"] / 1024 for one in invocations)
    compute = len(invocations) * LAMBDA_REQUEST + gb_seconds * LAMBDA_GB_SECOND
    return compute + requests * HTTP_API_REQUEST + writes * WRITE_UNIT + reads * READ_UNIT


def settled_reports(session: boto3.Session, url: str, expected: int) -> list[dict[str, float]]:
    """The reports once all have been written: logs are flushed a few times a second."""
    deadline = time.monotonic() + 10
    while len(found := reports(session, url)) < expected and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def run(platform: Platform, orders: int) -> Api:
    """Deploy, drive, and print the table."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    begun = time.perf_counter()
    outputs = deploy(session, platform.url, TEMPLATE, "orders")
    seconds_to_deploy = time.perf_counter() - begun
    api = Api(platform.url, outputs["ApiId"])
    traffic(api, orders)
    table = session.client("dynamodb", endpoint_url=platform.url)
    items = sum(
        page["Count"] for page in table.get_paginator("scan").paginate(TableName=outputs["Table"], Select="COUNT")
    )
    requests = len(api.milliseconds)
    invocations = settled_reports(session, platform.url, requests)
    shipped = (orders + 1) // 2
    # Each order is written to the table and its index; a shipment again; a refused one still costs its write unit.
    writes = 2 * orders + 2 * shipped + shipped
    warm = sorted(api.milliseconds[len(api.milliseconds) // 5 :])
    rows = [
        ("time to ready", f"{platform.seconds_to_ready:.2f} s"),
        ("time to deploy (API, 4 functions, layer, table, roles)", f"{seconds_to_deploy:.2f} s"),
        ("first request (cold start)", f"{api.milliseconds[0]:.1f} ms"),
        ("warm request p50 / p99", f"{statistics.median(warm):.1f} / {warm[int(len(warm) * 0.99)]:.1f} ms"),
        ("requests answered, functions invoked", f"{requests}, {len(invocations)}"),
        ("rows written (and kept, durably)", f"{writes} ({items} orders)"),
        ("this traffic at AWS's public prices", f"${price(invocations, requests, writes, requests):.6f}"),
    ]
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print(flush=True)
    return api


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keep", action="store_true", help="leave the platform running")
    options.add_argument("--orders", type=int, default=60)
    options.add_argument("--port", type=int, default=0, help="default: a free port; 4566 with --keep")
    asked = options.parse_args()
    data = tempfile.mkdtemp(prefix="freehold-demo-")
    os.chmod(data, 0o711)
    kept = False
    try:
        print("Starting Freehold ...", flush=True)
        platform = Platform(data, asked.port or (4566 if asked.keep else 0))
        try:
            api = run(platform, asked.orders)
            kept = asked.keep
        finally:
            if not kept:
                platform.stop()
    finally:
        if not kept:
            shutil.rmtree(data, ignore_errors=True)
    if kept:
        print(f"  try: curl {platform.url}{api.prefix}/customers/ada/orders\n")
        print(f"  It keeps running at {platform.url} (data in {data}); stop it with: kill {platform.process.pid}\n")


if __name__ == "__main__":
    main()
