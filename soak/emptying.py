"""Deleting everything that an account has, as its owner would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from workloads.cloud import Cloud, code


def empty(cloud: Cloud) -> list[str]:
    """Delete it all, what uses others first; what could not be deleted, one line each."""
    wrong: list[str] = []
    for step in (_stacks, _apis, _senders, _functions, _topics, _events, _storage, _identity):
        for what, delete in step(cloud):
            try:
                delete()
            except ClientError as problem:
                wrong.append(f"{what}: {code(problem)}: {problem}"[:200])
    return wrong


Deletions = Iterable[tuple[str, Callable[[], Any]]]


def _stacks(cloud: Cloud) -> Deletions:
    client = cloud.client("cloudformation")
    for stack in client.pages("describe_stacks", "Stacks"):
        name = stack["StackName"]
        yield f"stack {name}", partial(client.delete_stack, StackName=name)
        yield f"stack {name}", partial(client.wait, "stack_delete_complete", StackName=name)


def _apis(cloud: Cloud) -> Deletions:
    http, rest = cloud.client("apigatewayv2"), cloud.client("apigateway")
    for api in http.get_apis(MaxResults="500")["Items"]:
        yield f"HTTP API {api['ApiId']}", partial(http.delete_api, ApiId=api["ApiId"])
    for api in rest.get_rest_apis(limit=500)["items"]:
        yield f"REST API {api['id']}", partial(rest.delete_rest_api, restApiId=api["id"])


def _senders(cloud: Cloud) -> Deletions:
    scheduler, pipes, functions = cloud.client("scheduler"), cloud.client("pipes"), cloud.client("lambda")
    for schedule in scheduler.pages("list_schedules", "Schedules"):
        where = {"GroupName": schedule["GroupName"], "Name": schedule["Name"]}
        yield f"schedule {where}", partial(scheduler.delete_schedule, **where)
    for group in scheduler.pages("list_schedule_groups", "ScheduleGroups"):
        if group["Name"] != "default" and group["State"] == "ACTIVE":
            yield f"schedules {group['Name']}", partial(scheduler.delete_schedule_group, Name=group["Name"])
    for pipe in pipes.pages("list_pipes", "Pipes"):
        yield f"pipe {pipe['Name']}", partial(pipes.delete_pipe, Name=pipe["Name"])
    for each in functions.pages("list_event_source_mappings", "EventSourceMappings"):
        yield f"mapping {each['UUID']}", partial(functions.delete_event_source_mapping, UUID=each["UUID"])


def _functions(cloud: Cloud) -> Deletions:
    client, logs = cloud.client("lambda"), cloud.client("logs")
    for each in client.pages("list_functions", "Functions"):
        yield f"function {each['FunctionName']}", partial(client.delete_function, FunctionName=each["FunctionName"])
    for layer in client.pages("list_layers", "Layers"):
        for version in client.pages("list_layer_versions", "LayerVersions", LayerName=layer["LayerName"]):
            where = {"LayerName": layer["LayerName"], "VersionNumber": version["Version"]}
            yield f"layer {where}", partial(client.delete_layer_version, **where)
    for group in logs.pages("describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        yield f"log group {name}", partial(logs.delete_log_group, logGroupName=name)


def _topics(cloud: Cloud) -> Deletions:
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    for each in sns.pages("list_subscriptions", "Subscriptions"):
        arn = each["SubscriptionArn"]
        yield f"subscription {arn}", partial(sns.unsubscribe, SubscriptionArn=arn)
    for each in sns.pages("list_topics", "Topics"):
        yield f"topic {each['TopicArn']}", partial(sns.delete_topic, TopicArn=each["TopicArn"])
    for url in sqs.pages("list_queues", "QueueUrls"):
        yield f"queue {url}", partial(sqs.delete_queue, QueueUrl=url)


def _events(cloud: Cloud) -> Deletions:
    events = cloud.client("events")
    for archive in events.list_archives()["Archives"]:
        name = archive["ArchiveName"]
        yield f"archive {name}", partial(events.delete_archive, ArchiveName=name)
    for bus in events.list_event_buses()["EventBuses"]:
        for rule in events.pages("list_rules", "Rules", EventBusName=bus["Name"]):
            where = {"Rule": rule["Name"], "EventBusName": bus["Name"]}
            ids = [each["Id"] for each in events.list_targets_by_rule(**where)["Targets"]]
            if ids:
                yield f"targets {where}", partial(events.remove_targets, **where, Ids=ids)
            yield (
                f"rule {where}",
                partial(events.delete_rule, Name=where["Rule"], EventBusName=where["EventBusName"]),
            )
        if bus["Name"] != "default":
            yield f"bus {bus['Name']}", partial(events.delete_event_bus, Name=bus["Name"])


def _storage(cloud: Cloud) -> Deletions:
    dynamodb, s3, ssm = cloud.client("dynamodb"), cloud.client("s3"), cloud.client("ssm")
    for name in dynamodb.pages("list_tables", "TableNames"):
        yield f"table {name}", partial(dynamodb.delete_table, TableName=name)
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for upload in s3.pages("list_multipart_uploads", "Uploads", Bucket=name):
            where = {"Bucket": name, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            yield f"upload {where}", partial(s3.abort_multipart_upload, **where)
        for kind in ("Versions", "DeleteMarkers"):
            for each in s3.pages("list_object_versions", kind, Bucket=name):
                where = {"Bucket": name, "Key": each["Key"], "VersionId": each["VersionId"]}
                yield f"object {where}", partial(s3.delete_object, **where)
        yield f"bucket {name}", partial(s3.delete_bucket, Bucket=name)
    for each in ssm.pages("describe_parameters", "Parameters"):
        yield f"parameter {each['Name']}", partial(ssm.delete_parameter, Name=each["Name"])


def _identity(cloud: Cloud) -> Deletions:
    iam = cloud.client("iam")
    for user in iam.pages("list_users", "Users"):
        name = user["UserName"]
        for key in iam.pages("list_access_keys", "AccessKeyMetadata", UserName=name):
            where = {"UserName": name, "AccessKeyId": key["AccessKeyId"]}
            yield f"key of {name}", partial(iam.delete_access_key, **where)
        yield f"user {name}", partial(iam.delete_user, UserName=name)
    for role in iam.pages("list_roles", "Roles"):
        name = role["RoleName"]
        for policy in iam.pages("list_role_policies", "PolicyNames", RoleName=name):
            where = {"RoleName": name, "PolicyName": policy}
            yield f"policy of {name}", partial(iam.delete_role_policy, **where)
        for attached in iam.pages("list_attached_role_policies", "AttachedPolicies", RoleName=name):
            where = {"RoleName": name, "PolicyArn": attached["PolicyArn"]}
            yield f"policy of {name}", partial(iam.detach_role_policy, **where)
        yield f"role {name}", partial(iam.delete_role, RoleName=name)
    for each in iam.pages("list_policies", "Policies", Scope="Local"):
        yield f"policy {each['Arn']}", partial(iam.delete_policy, PolicyArn=each["Arn"])
