"""A little of everything of the services that furnished.py leaves out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from freehold.testing import Freehold

Client = Any
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
QUICK = {"Delay": 0.05, "MaxAttempts": 400}


def furnish(directory: Path) -> None:
    """Use the services of a server in `directory`, whose clock stands still, and kill it."""
    server = Freehold(data=directory, manual_clock=True).start()
    try:
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        server.client("sqs").create_queue(QueueName="queue", Attributes={"Policy": policy})
        server.client("sqs").create_queue(QueueName="other", Attributes={"Policy": policy})
        identities(server.client("iam"))
        topics(server.client("sns"))
        buses(server.client("events"), server.clock.now)
        schedules(server.client("scheduler"))
        pipes(server.client("pipes"))
        parameters(server.client("ssm"))
        functions(server.client("lambda"))
        http_apis(server.client("apigatewayv2"))
        rest_apis(server.client("apigateway"))
        stacks(server.client("cloudformation"))
    finally:
        server.kill()


def identities(iam: Client) -> None:
    for name in ("scheduler", "pipes"):
        allow = {"Effect": "Allow", "Principal": {"Service": f"{name}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    policy = iam.create_policy(PolicyName="policy", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="pipes", PolicyArn=policy)
    iam.create_user(UserName="user")
    iam.create_access_key(UserName="user")
    iam.create_group(GroupName="group")
    iam.add_user_to_group(GroupName="group", UserName="user")
    iam.create_instance_profile(InstanceProfileName="profile")
    iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="pipes")


def topics(sns: Client) -> None:
    topic = sns.create_topic(Name="topic")["TopicArn"]
    filtered = {"FilterPolicy": json.dumps({"kind": ["one"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes=filtered)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="somebody@example.com")
    ordered = sns.create_topic(Name="ordered.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    sns.publish(TopicArn=ordered, Message="m", MessageGroupId="g", MessageDeduplicationId="d")
    application = sns.create_platform_application(
        Name="app", Platform="GCM", Attributes={"PlatformCredential": "secret"}
    )["PlatformApplicationArn"]
    sns.create_platform_endpoint(PlatformApplicationArn=application, Token="token")


def buses(events: Client, now: Any) -> None:
    events.create_event_bus(Name="bus")
    events.put_rule(Name="rule", EventBusName="bus", EventPattern=json.dumps({"source": ["me"]}))
    events.put_targets(Rule="rule", EventBusName="bus", Targets=[{"Id": "1", "Arn": QUEUE}])
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/bus"
    events.create_archive(ArchiveName="archive", EventSourceArn=arn, RetentionDays=3)
    for number in range(3):
        entry = {"Source": "me", "DetailType": "t", "Detail": json.dumps({"n": number}), "EventBusName": "bus"}
        assert not events.put_events(Entries=[entry])["FailedEntryCount"]
    archive = f"arn:aws:events:us-east-1:{ACCOUNT}:archive/archive"
    span = {"EventStartTime": now.timestamp() - 60, "EventEndTime": now.timestamp() + 60}
    events.start_replay(ReplayName="replay", EventSourceArn=archive, Destination={"Arn": arn}, **span)
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}}
    connection = events.create_connection(Name="connection", AuthorizationType="API_KEY", AuthParameters=key)
    events.create_api_destination(
        Name="destination",
        ConnectionArn=connection["ConnectionArn"],
        InvocationEndpoint="http://127.0.0.1:1/",
        HttpMethod="POST",
    )


def schedules(scheduler: Client) -> None:
    scheduler.create_schedule_group(Name="group")
    for name in ("one", "two"):
        scheduler.create_schedule(
            Name=name,
            GroupName="group",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": QUEUE, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/scheduler", "Input": "x"},
        )


def pipes(client: Client) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/pipes"
    other = QUEUE.replace("queue", "other")
    client.create_pipe(Name="pipe", Source=QUEUE, Target=other, RoleArn=role, DesiredState="STOPPED")
    while client.describe_pipe(Name="pipe")["CurrentState"] != "STOPPED":
        pass


def parameters(ssm: Client) -> None:
    for number in range(3):
        ssm.put_parameter(Name="/a/b", Value=str(number), Type="String", Overwrite=bool(number))
    ssm.label_parameter_version(Name="/a/b", ParameterVersion=2, Labels=["label"])
    ssm.put_parameter(Name="secret", Value="s", Type="SecureString")


def functions(client: Client) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context): return 1")
    code = archive.getvalue()
    layer = client.publish_layer_version(LayerName="layer", Content={"ZipFile": code})["LayerVersionArn"]
    client.add_layer_version_permission(
        LayerName="layer", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*"
    )
    client.create_function(
        FunctionName="function",
        Runtime="python3.11",
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": code},
        Layers=[layer],
        Publish=True,
    )
    client.create_alias(FunctionName="function", Name="live", FunctionVersion="1")
    client.put_function_concurrency(FunctionName="function", ReservedConcurrentExecutions=3)
    client.create_function_url_config(FunctionName="function", AuthType="NONE")
    client.create_event_source_mapping(FunctionName="function", EventSourceArn=QUEUE, Enabled=False)


def http_apis(client: Client) -> None:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:function"
    client.create_api(Name="http", ProtocolType="HTTP", Target=arn)


def rest_apis(client: Client) -> None:
    api = client.create_rest_api(name="rest")
    child = client.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="child")["id"]
    where = {"restApiId": api["id"], "resourceId": child, "httpMethod": "GET"}
    client.put_method(**where, authorizationType="NONE")
    client.put_integration(**where, type="MOCK")
    client.create_deployment(restApiId=api["id"], stageName="live")


def stacks(client: Client) -> None:
    first = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}, "Export": {"Name": "exported"}}},
    }
    value = {"Type": "String", "Value": {"Fn::ImportValue": "exported"}}
    second = {"Resources": {"Parameter": {"Type": "AWS::SSM::Parameter", "Properties": value}}}
    for name, template in (("first", first), ("second", second), ("gone", {"Resources": first["Resources"]})):
        client.create_stack(StackName=name, TemplateBody=json.dumps(template))
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=QUICK)
    client.create_change_set(
        StackName="second",
        ChangeSetName="changes",
        TemplateBody=json.dumps(
            {"Resources": {"Parameter": second["Resources"]["Parameter"], "Topic": {"Type": "AWS::SNS::Topic"}}}
        ),
    )
    client.get_waiter("change_set_create_complete").wait(
        StackName="second", ChangeSetName="changes", WaiterConfig=QUICK
    )
    client.delete_stack(StackName="gone")
    client.get_waiter("stack_delete_complete").wait(StackName="gone", WaiterConfig=QUICK)
