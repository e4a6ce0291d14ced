"""CreateTable, UpdateTable, DeleteTable, DescribeTable, ListTables."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.kit.tuples import span, unpack
from freehold.ports.call import Call
from freehold.services.dynamodb import catalog, counting, definitions, descriptions, jobs
from freehold.services.dynamodb.catalog import Place
from freehold.services.dynamodb.definitions import Request
from freehold.services.dynamodb.jobs import Job
from freehold.services.dynamodb.model import Schema, Table, table_key
from freehold.services.dynamodb.updating import Change, change_of
from freehold.store.base import ReadTx, Tx

_PAGE = 100


async def create_table(call: Call, request: Request) -> Request:
    definitions.refuse_unimplemented(request)
    table = _new_table(call, request)
    version = call.platform.ids.hex(16).encode()

    def body(tx: Tx) -> None:
        if tx.get(table_key(table.account, table.region, table.name)) is not None:
            raise Fault("ResourceInUseException", f"Table already exists: {table.name}")
        catalog.save(tx, table, version)

    await call.platform.store.transact(body)
    # The table is there for whoever asks next. AWS answers CREATING, and programs wait for ACTIVE.
    return {"TableDescription": descriptions.describe(table, {}, "CREATING")}


def _new_table(call: Call, request: Request) -> Table:
    account, region, name = catalog.place_of(call, request["TableName"])
    definitions.check_table_name(name)
    billing_mode = request.get("BillingMode", "PROVISIONED")
    types = definitions.attribute_definitions(request.get("AttributeDefinitions") or ())
    if not request.get("KeySchema"):
        raise Fault("ValidationException", "One or more parameter values were invalid: Missing KeySchema")
    hash_name, sort_name = definitions.key_schema(request["KeySchema"])
    units = definitions.throughput(request.get("ProvisionedThroughput"), billing_mode)
    indexes = definitions.local_indexes(request.get("LocalSecondaryIndexes"), hash_name, sort_name)
    indexes += definitions.global_indexes(request.get("GlobalSecondaryIndexes"), billing_mode)
    table_keys = [hash_name] if sort_name is None else [hash_name, sort_name]
    definitions.check_definitions(types, table_keys, indexes)
    definitions.check_indexes(indexes)
    for index in indexes:
        index.id = call.platform.ids.hex(16)
    now = call.platform.clock.now()
    return Table(
        call.platform.ids.uuid(), name, account, region, now, hash_name, sort_name, types, indexes, billing_mode,
        on_demand_since=now if billing_mode == "PAY_PER_REQUEST" else None,
        throughput=units,
        table_class=request.get("TableClass"),
        encrypted=definitions.encrypted(request.get("SSESpecification")),
        deletion_protection=request.get("DeletionProtectionEnabled", False),
        tags=definitions.tags_of(request.get("Tags") or (), internal=call.http is None),
    )  # fmt: skip


def not_found(name: str) -> Fault:
    """ResourceNotFoundException of control operations, which name the table; or what is wrong with the name."""
    definitions.check_table_name(name)
    return Fault("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


async def describe_table(call: Call, request: Request) -> Request:
    table = (await _find(call, catalog.place_of(call, request["TableName"]))).table
    return {"Table": descriptions.describe(table, await _counts(call, table))}


async def _find(call: Call, place: Place) -> Schema:
    schema = await call.platform.store.read(lambda tx: catalog.find(tx, place))
    if schema is None:
        raise not_found(place[2])
    return schema


async def _counts(call: Call, table: Table) -> descriptions.Counts:
    schema = Schema(table, b"")
    counts = {table.id: await counting.count(call.platform, table.id, schema.prefix)}
    for index in schema.indexes:
        counts[index.index.id] = await counting.count(call.platform, index.index.id, index.prefix)
    return counts


async def list_tables(call: Call, request: Request) -> Request:
    start, end = span("dynamodb", call.account, call.region, "t")
    exclusive = request.get("ExclusiveStartTableName")
    if exclusive is not None:
        start = table_key(call.account, call.region, exclusive) + b"\x00"
    limit = request.get("Limit", _PAGE)

    def body(tx: ReadTx) -> list[str]:
        return [str(unpack(key)[-1]) for key, _ in tx.scan(start, end, limit=limit + 1)]

    names = await call.platform.store.read_many(body)
    result: Request = {"TableNames": names[:limit]}
    if len(names) > limit:
        result["LastEvaluatedTableName"] = names[limit - 1]
    return result


async def delete_table(call: Call, request: Request) -> Request:
    place = catalog.place_of(call, request["TableName"])
    job_ids = call.platform.ids.hex(16)
    counts = await _counts(call, (await _find(call, place)).table)

    def body(tx: Tx) -> tuple[Table, list[Job]]:
        schema = catalog.find(tx, place)
        if schema is None:
            raise not_found(place[2])
        table = schema.table
        if table.deletion_protection:
            raise Fault(
                "ValidationException",
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first.",
            )
        if table.status != "ACTIVE":
            raise in_use(table)
        catalog.forget(tx, table)
        prefixes = [schema.prefix, *(index.prefix for index in schema.indexes)]
        made = [Job(f"{job_ids}-{at}", prefix=prefix) for at, prefix in enumerate(prefixes)]
        for job in made:
            jobs.record(tx, job)
        return table, made

    table, made = await call.platform.store.transact(body)
    catalog.memory(call.platform).forget(place, {table.id, *(index.id for index in table.indexes)})
    for job in made:
        jobs.launch(call.platform, job)
    return {"TableDescription": descriptions.describe_deleted(table, counts)}


def in_use(table: Table) -> Fault:
    """ResourceInUseException of a table that is being updated."""
    return Fault(
        "ResourceInUseException",
        f"Attempt to change a resource which is still in use: Table is being updated: {table.name}",
    )


async def update_table(call: Call, request: Request) -> Request:
    definitions.refuse_unimplemented(request)
    place = catalog.place_of(call, request["TableName"])
    version = call.platform.ids.hex(16).encode()
    change: Change = change_of(request, now=call.platform.clock.now(), new_id=call.platform.ids.hex(16))

    def body(tx: Tx) -> tuple[Table, Job | None]:
        schema = catalog.find(tx, place)
        if schema is None:
            raise not_found(place[2])
        if schema.table.status != "ACTIVE":
            raise in_use(schema.table)
        dropped = change.apply(schema.table)
        job = _job_of(change, schema, place, dropped)
        if job is not None:
            jobs.record(tx, job)
        catalog.save(tx, schema.table, version)
        return schema.table, job

    table, job = await call.platform.store.transact(body)
    if job is not None:
        jobs.launch(call.platform, job)
    return {"TableDescription": descriptions.describe(table, await _counts(call, table), "UPDATING")}


def _job_of(change: Change, schema: Schema, place: Place, dropped: str | None) -> Job | None:
    """What is left to do in the background: fill a new index, or clear a dropped one."""
    if change.creates:
        return Job(change.new_id, place=place, index_id=change.new_id)
    for index in schema.indexes:
        if index.index.id == dropped:
            return Job(change.new_id, prefix=index.prefix)
    return None
