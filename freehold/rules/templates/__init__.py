"""CloudFormation templates as a pure engine: parse, check, resolve parameters, evaluate intrinsics, order resources.

- `document`: text (JSON or YAML with short-form tags) to plain values
- `template`: plain values to a checked `Template`
- `parameters`: declared parameters and given values to resolved ones
- `functions`: intrinsic functions over a `Scope`
- `references`, `graph`: what depends on what, and in which order
- `extensions`: the AWS::LanguageExtensions transform (Fn::ForEach)
- `assertions`: the Rules section; `stack_policy`: stack policies
"""
