"""Every target: its module here, and the modules of Freehold that it is about (instrumented, their coverage reported)."""

COVERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "patterns": ("patterns", ("freehold.rules.patterns",)),
    "filter-policies": ("patterns", ("freehold.rules.patterns",)),
    "conditions": ("expressions", ("freehold.rules.dynamodb",)),
    "updates": ("expressions", ("freehold.rules.dynamodb",)),
    "key-conditions": ("expressions", ("freehold.rules.dynamodb", "freehold.services.dynamodb.ranges")),
    "numbers": ("expressions", ("freehold.rules.dynamodb.numbers", "freehold.rules.dynamodb.keys")),
    "transformers": ("inputs", ("freehold.rules.inputs",)),
    "logpatterns": ("logpatterns", ("freehold.rules.logpatterns", "freehold.rules.regexes")),
    "schedules": ("schedules", ("freehold.rules.schedules",)),
    "templates": ("templates", ("freehold.rules.templates",)),
    "stack-policies": ("templates", ("freehold.rules.templates.stack_policy",)),
    "sam": ("templates", ("freehold.services.cloudformation.sam",)),
    "http": ("http", ("freehold.front.connection", "freehold.front.heads", "freehold.front.body")),
    "chunked": ("chunked", ("freehold.wire.chunked",)),
    "signatures": (
        "chunked",
        ("freehold.wire.sigv4", "freehold.wire.sigv2", "freehold.wire.canonical", "freehold.wire.auth"),
    ),
    "runtime-api": ("runtimeapi", ("freehold.runtime.api", "freehold.runtime.errors")),
    "policies": ("policies", ("freehold.rules.resource_policies", "freehold.rules.policy_conditions")),
    "globs": ("policies", ("freehold.rules.policy_conditions",)),
    "tuples": ("tuples", ("freehold.kit.tuples",)),
    "names": ("tuples", ("freehold.kit.arns", "freehold.kit.http", "freehold.rules.s3urls")),
    "routes": ("tuples", ("freehold.rules.http_routes",)),
}
