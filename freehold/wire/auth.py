"""auth_fault: how each family of services words a failed authentication.

Sources: "Common errors" of the services' API references; S3 API Reference, "Error responses"; IAM User Guide,
"Troubleshoot Signature Version 4 signing".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.wire.base import EC2, JSON, QUERY

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)
_CODES = {
    "missing": ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
    "incomplete": ("IncompleteSignatureException", "IncompleteSignature"),
    "malformed": ("IncompleteSignatureException", "IncompleteSignature"),
    "unknown-key": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "invalid-token": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "expired-token": ("ExpiredTokenException", "ExpiredToken"),
}


def auth_fault(kind: str, protocol: str, service: str, **details: str) -> Fault:
    """The fault of an authentication that failed in a given way (see `sigv4.AuthFailure`).

    `service` is botocore's name. Further kinds for front: "scope-service" and "scope-region" (`wanted`), "headers"
    (`unsigned`). JSON services answer 400, REST and query services 403.
    """
    if kind == "unsupported" and service != "s3":
        return not_implemented(details.get("what", "this way of signing"))
    if service == "s3":
        code, message, status, fields = _s3(kind, details)
        return Fault(code, message, status=status, **fields)
    if protocol == EC2 and kind in ("unknown-key", "mismatch", "invalid-token"):
        return Fault("AuthFailure", "AWS was not able to validate the provided access credentials", status=401)
    json_code, query_code = _CODES.get(kind, ("InvalidSignatureException", "SignatureDoesNotMatch"))
    if protocol in (QUERY, EC2):
        return Fault(
            query_code, _message(kind, details, query=True), status=400 if query_code == "IncompleteSignature" else 403
        )
    return Fault(json_code, _message(kind, details, query=False), status=400 if protocol == JSON else 403)


def _message(kind: str, details: Mapping[str, str], *, query: bool) -> str:
    if kind == "missing":
        return "Request is missing Authentication Token" if query else "Missing Authentication Token"
    if kind in ("unknown-key", "invalid-token"):
        return "The security token included in the request is invalid."
    if kind == "expired-token":
        return "The security token included in the request is expired"
    if kind == "incomplete":
        return _incomplete(details)
    if kind == "malformed":
        if "credential" in details:
            return (
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
                f"'{details['credential']}'"
            )
        return f"{details.get('what', 'Authorization is malformed')}: '{details.get('algorithm', '')}'."
    if kind in ("skewed", "expired", "future"):
        return _clock(kind, details)
    if kind == "scope-service":
        return f"Credential should be scoped to correct service: '{details['wanted']}'."
    if kind == "scope-region":
        return "Credential should be scoped to a valid region."
    if kind == "scope-date":
        when = details["when"]
        return (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{details['date']}' != '{when[:8]}', from '{when}'."
        )
    if "canonical" in details:
        return (
            f"{_MISMATCH}\n\nThe Canonical String for this request should have been\n'{details['canonical']}'\n\n"
            f"The String-to-Sign should have been\n'{details['string_to_sign']}'\n"
        )
    return _MISMATCH


def _incomplete(details: Mapping[str, str]) -> str:
    carrier = "Query string" if details.get("query") else "Authorization header"
    parts = [f"{carrier} requires '{name}' parameter." for name in details.get("absent", "").split(",") if name]
    if details.get("date"):
        parts.append(
            f"{carrier} requires existence of either a 'X-Amz-Date' or a 'Date' header."
            if details["date"] == "absent"
            else "Date must be in ISO-8601 'basic format'."
        )
    if details.get("header"):
        parts.append(f"Authorization={details['header']}")
    return " ".join(parts)


def _clock(kind: str, details: Mapping[str, str]) -> str:
    server = _basic(details["server"])
    if kind == "expired":
        return f"Signature expired: {_basic(details['expires'])} is now earlier than {server}"
    minutes = int(details.get("allowed", "300")) // 60
    if kind == "future" or not details.get("late"):
        return f"Signature not yet current: {details['when']} is still later than {server} (+ {minutes} min.)"
    return f"Signature expired: {details['when']} is now earlier than {server} (- {minutes} min.)"


def _basic(iso: str) -> str:
    return iso.replace("-", "").replace(":", "")


def _s3(kind: str, details: Mapping[str, str]) -> tuple[str, str, int, dict[str, Any]]:
    if kind in ("missing", "expired", "future", "headers") or (
        kind == "incomplete" and details.get("date") == "absent"
    ):
        return _s3_denied(kind, details)
    if kind == "unknown-key":
        text = "The AWS Access Key Id you provided does not exist in our records."
        return "InvalidAccessKeyId", text, 403, {"AWSAccessKeyId": details.get("access_key", "")}
    if kind == "invalid-token":
        return "InvalidToken", "The provided token is malformed or otherwise invalid.", 400, {}
    if kind == "expired-token":
        return "ExpiredToken", "The provided token has expired.", 400, {}
    if kind == "skewed":
        text = "The difference between the request time and the current time is too large."
        fields = {
            "RequestTime": details["when"],
            "ServerTime": details["server"],
            "MaxAllowedSkewMilliseconds": "900000",
        }
        return "RequestTimeTooSkewed", text, 403, fields
    if kind == "bad-payload":
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        fields = {
            "ClientComputedContentSHA256": details["client"],
            "S3ComputedContentSHA256": details["server"],
        }
        return "XAmzContentSHA256Mismatch", text, 400, fields
    if kind == "payload":
        text = (
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value."
        )
        fields = {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": details["named"]}
        return "InvalidArgument", text, 400, fields
    if kind == "unsupported":
        text = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        return "InvalidRequest", text, 400, {}
    if kind == "mismatch":
        return _s3_mismatch(details)
    return _s3_malformed(kind, details)


def _s3_denied(kind: str, details: Mapping[str, str]) -> tuple[str, str, int, dict[str, Any]]:
    if kind == "expired":
        fields = {
            "X-Amz-Expires": details["seconds"],
            "Expires": details["expires"],
            "ServerTime": details["server"],
        }
        return "AccessDenied", "Request has expired", 403, fields
    if kind == "future":
        return "AccessDenied", "Request is not valid yet", 403, {"ServerTime": details["server"]}
    if kind == "headers":
        text = "There were headers present in the request which were not signed"
        return "AccessDenied", text, 403, {"HeadersNotSigned": details["unsigned"]}
    if kind == "incomplete":
        return "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403, {}
    return "AccessDenied", "Access Denied", 403, {}


def _s3_mismatch(details: Mapping[str, str]) -> tuple[str, str, int, dict[str, Any]]:
    text = (
        "The request signature we calculated does not match the signature you provided."
        " Check your key and signing method."
    )
    signed, canonical = details.get("string_to_sign", ""), details.get("canonical", "")
    fields = {
        "AWSAccessKeyId": details.get("access_key", ""),
        "StringToSign": signed,
        "SignatureProvided": details.get("signature", ""),
        "StringToSignBytes": signed.encode().hex(" "),
        "CanonicalRequest": canonical,
        "CanonicalRequestBytes": canonical.encode("utf-8", "replace").hex(" "),
    }
    return "SignatureDoesNotMatch", text, 403, fields


def _s3_malformed(kind: str, details: Mapping[str, str]) -> tuple[str, str, int, dict[str, Any]]:
    if details.get("query"):
        what = details.get("what") or (
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
        return "AuthorizationQueryParametersError", what, 400, {}
    if kind == "scope-region":
        text = f"the region '{details.get('region', '')}' is wrong; expecting '{details['wanted']}'"
        fields = {"Region": details["wanted"]}
    elif kind == "scope-service":
        text, fields = f'incorrect service "{details.get("service", "")}". This endpoint belongs to "s3".', {}
    elif kind == "scope-date":
        text, fields = f'Invalid credential date "{details["date"]}". This date is not the same as X-Amz-Date.', {}
    elif "credential" in details:
        text = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        fields = {}
    elif "algorithm" in details:
        return "InvalidArgument", "Unsupported Authorization Type", 400, {"ArgumentName": "Authorization"}
    else:
        absent = details.get("absent", "").split(",")[0] or "Credential"
        text, fields = (
            "the authorization header requires three components: Credential, SignedHeaders, and Signature; "
            f"{absent} is missing.",
            {},
        )
    return "AuthorizationHeaderMalformed", f"The authorization header is malformed; {text}", 400, fields
