"""The environment variables of an instance, as Lambda documents them.

Facts: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping

from freehold.runtime.base import FunctionSpec

RESERVED = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
})  # fmt: skip
"""Names that a function's configuration cannot set."""


def of_instance(
    spec: FunctionSpec,
    stream: str,
    credentials: Mapping[str, str],
    *,
    task_root: str = "/var/task",
    runtime_directory: str = "/var/runtime",
    runtime_api: str | None = None,
) -> dict[str, str]:
    """Everything a function finds in its environment; the user's own variables give way to reserved names."""
    result = {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "HOME": "/tmp" if spec.runtime.startswith("provided") else "/home/sbx_user1051",
    }
    result |= _of_language(spec.runtime)
    result |= spec.environment
    result |= credentials
    result |= {
        "_HANDLER": spec.handler,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group or f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": runtime_directory,
    }
    if not spec.runtime.startswith("provided"):
        result["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{spec.runtime}"
    if spec.log_format == "JSON":
        result |= {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": spec.log_level}
    if runtime_api is not None:
        result["AWS_LAMBDA_RUNTIME_API"] = runtime_api
    return result


def _of_language(runtime: str) -> dict[str, str]:
    if runtime.startswith("python"):
        return {"PYTHONPATH": "/var/runtime"}
    if runtime.startswith("nodejs"):
        major = runtime[len("nodejs") :].partition(".")[0]
        layered = f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules"
        return {"NODE_PATH": f"{layered}:/var/runtime/node_modules:/var/runtime:/var/task"}
    return {}
