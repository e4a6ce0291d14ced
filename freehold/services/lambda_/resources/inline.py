"""Code.ZipFile of a template: source text that becomes `index`, with the response module for custom resources."""

from __future__ import annotations

import io
import zipfile

from freehold.kit.faults import Fault

MAX_INLINE = 4 << 20
"""Characters of inline source (AWS::Lambda::Function Code)."""

_PYTHON = '''"""Answers CloudFormation for a custom resource: `cfnresponse.send(event, context, cfnresponse.SUCCESS, {})`."""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    answer = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(
        event["ResponseURL"], data=body, method="PUT", headers={"content-type": "", "content-length": str(len(body))}
    )
    try:
        with urllib.request.urlopen(request) as response:
            print("Status code:", response.status)
    except OSError as error:
        print("send(..) failed executing http.client.request(..):", error)
'''

_NODE = """// Answers CloudFormation for a custom resource: response.send(event, context, response.SUCCESS, {}).
"use strict";
const { request: plain } = require("http");
const { request: secure } = require("https");

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  const begin = url.protocol === "http:" ? plain : secure;
  const headers = { "content-type": "", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = begin(url, { method: "PUT", headers }, (response) => {
      console.log("Status code: " + response.statusCode);
      response.resume();
      if (context.done) context.done();
      resolve();
    });
    sent.on("error", (error) => {
      console.log("send(..) failed executing https.request(..): " + error);
      if (context.done) context.done();
      reject(error);
    });
    sent.end(body);
  });
};
"""


def archive(source: str, runtime: str) -> bytes:
    """The package that inline source becomes. The same source makes the same bytes, so that nothing is updated in vain."""
    if len(source) > MAX_INLINE:
        raise Fault("InvalidParameterValueException", f"ZipFile is longer than {MAX_INLINE} characters.")
    if runtime.startswith("python"):
        files = {"index.py": source, "cfnresponse.py": _PYTHON}
    elif runtime.startswith("nodejs"):
        files = {"index.js": source, "node_modules/cfn-response/index.js": _NODE}
    else:
        raise Fault(
            "InvalidParameterValueException",
            f"ZipFile can only be used with Node.js and Python runtimes, not {runtime}.",
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(entry, text)
    return packed.getvalue()
