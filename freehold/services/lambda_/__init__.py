"""AWS Lambda: functions, versions, aliases, layers, function URLs and their invocation over `freehold.runtime`."""
