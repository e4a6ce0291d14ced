"""Lambda's limits. Source: "Lambda quotas" and the operations' documentation; sizes in bytes unless named otherwise."""

MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1, 900
MIN_MEMORY_MB, MAX_MEMORY_MB = 128, 10_240
MIN_EPHEMERAL_MB, MAX_EPHEMERAL_MB = 512, 10_240
MAX_ENVIRONMENT = 4_096
MAX_LAYERS = 5
MAX_NAME = 64
MAX_ZIPPED = 52_428_800
MAX_UNZIPPED = 262_144_000
MAX_FILES = 100_000
MAX_CODE_STORAGE = 80_530_636_800
"""75 GiB per region and account."""
CONCURRENCY = 1_000
MIN_UNRESERVED = 100
MAX_SYNC_PAYLOAD = 6_291_456
MAX_SYNC_RESPONSE = 6_291_556
MAX_ASYNC_PAYLOAD = 1_048_576
MAX_CLIENT_CONTEXT = 3_583
MAX_POLICY = 20_480
MAX_TAGS = 50
MAX_EVENT_AGE_MS = 6 * 3_600_000
EVENT_RETRY_MS = (60_000, 120_000)
"""A failed asynchronous event runs again after one minute, then after two more (Lambda: "Asynchronous invocation")."""
EVENT_RETRIES = len(EVENT_RETRY_MS)
SNS_RECORD = 262_144
"""Bytes of an invocation record that a topic takes."""
LOG_TAIL = 4_096
PAGE = 50
"""Items of a page when MaxItems is absent, and at most."""
CODE_URL_S = 600

RESERVED_ENVIRONMENT = frozenset(
    {
        "_HANDLER",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Names that Lambda itself sets and refuses ("Defined runtime environment variables", reserved)."""
