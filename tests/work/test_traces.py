import asyncio
import re

from freehold.kit.ids import Ids
from freehold.work.tasks import Tasks
from freehold.work.traces import KEEP_MS, Traces, parse
from tests.support import manual_clock, memory_store

ME = ("111122223333", "us-east-1")
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def house():
    store, clock = memory_store(), manual_clock()
    return store, clock, Traces(store, clock, Ids(1), Tasks())


def test_a_header_is_continued_as_it_came():
    _, _, traces = house()
    assert traces.begin(HEADER, sampled=False).header == HEADER
    lineage = HEADER + ";Lineage=1:a87bd80c:1"
    assert traces.begin(lineage, sampled=False).header == lineage
    assert parse(" Root=a; Sampled=0 ;junk") == {"Root": "a", "Sampled": "0"}


def test_without_a_header_a_trace_begins_in_awss_format():
    _, clock, traces = house()
    trace = traces.begin(None, sampled=True)
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=1", trace.header)
    undecided = traces.begin(None, sampled=None)
    assert undecided.header == f"Root={undecided.root}"
    assert int(trace.root[2:10], 16) == int(clock.now())


def test_the_headers_decision_holds_and_malformed_parts_are_ignored():
    _, _, traces = house()
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert traces.begin(f"{root};Sampled=0", sampled=True).sampled is False
    assert traces.begin(root, sampled=True).sampled is True
    assert traces.begin(f"{root};Sampled=?", sampled=False).sampled is False
    bad = traces.begin("Root=1-zz;Parent=nope;Sampled=1", sampled=False)
    assert bad.root != "1-zz" and bad.parent is None and bad.sampled


def test_segments_nest_and_are_read_back():
    async def main():
        _, clock, traces = house()
        trace = traces.begin(None, sampled=True)
        with traces.segment(trace, *ME, "api/dev", origin="AWS::ApiGateway::Stage") as api:
            clock.advance(0.5)
            with traces.segment(api.trace, *ME, "f", origin="AWS::Lambda::Function") as function:
                function.put("http", {"response": {"status": 200}})
                clock.advance(0.25)
        await traces.flush()
        (found,) = await traces.recent(*ME)
        assert found["Id"] == trace.root
        first, second = found["Segments"]
        assert (first["name"], first["end_time"] - first["start_time"]) == ("api/dev", 0.75)
        assert second["parent_id"] == first["id"] and second["http"] == {"response": {"status": 200}}
        assert await traces.get(*ME, trace.root) == found
        assert await traces.recent("222222222222", ME[1]) == []

    asyncio.run(main())


def test_what_is_not_sampled_is_not_kept_but_its_header_goes_on():
    async def main():
        _, _, traces = house()
        trace = traces.begin(None, sampled=False)
        with traces.segment(trace, *ME, "f") as segment:
            assert segment.trace.header == f"Root={trace.root};Parent={segment.id};Sampled=0"
        await traces.flush()
        assert await traces.recent(*ME) == []

    asyncio.run(main())


def test_a_failure_inside_marks_the_segment():
    async def main():
        _, _, traces = house()
        try:
            with traces.segment(traces.begin(None, sampled=True), *ME, "f"):
                raise ValueError
        except ValueError:
            pass
        await traces.flush()
        assert (await traces.recent(*ME))[0]["Segments"][0]["fault"] is True

    asyncio.run(main())


def test_the_first_request_of_a_second_is_sampled_and_few_others():
    _, clock, traces = house()
    first = [traces.decide() for _ in range(1000)]
    assert first[0] and 20 < sum(first) < 90
    clock.advance(1)
    assert traces.decide()


def test_traces_go_after_thirty_days():
    async def main():
        store, clock, traces = house()
        for header in (None, HEADER):
            with traces.segment(traces.begin(header, sampled=True), *ME, "f"):
                pass
        await traces.flush()
        assert len(await traces.recent(*ME)) == 2
        clock.advance(KEEP_MS / 1000 + 1)
        await traces.flush()
        assert await store.read(lambda tx: tx.scan(b"\x02trace", b"\x02trace\xff")) == []

    asyncio.run(main())
