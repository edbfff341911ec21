"""The server around the API: connections, the report, the log, the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ventil.errors import OutputError, PortError
from ventil.sim.npm import Delay, NpmSim, Quota, Scenario, main

ALPHA = "/downloads/point/last-week/alpha"


def request(target=ALPHA, fields="") -> bytes:
    """A request's bytes."""
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode()


async def connect(bench):
    """A raw connection."""
    return await asyncio.open_connection(*bench.sim.url.removeprefix("http://").split(":"))


async def answer(reader) -> tuple[bytes, bytes]:
    """Read one answer: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await reader.readexactly(int(length))


async def test_pipelined_requests_are_answered_in_order(play):
    """Three requests in one write, the first of them delayed."""
    scenario = Scenario(behaviours=(Delay(names=("alpha",), seconds=9.0),))
    async with play(scenario) as bench:
        reader, writer = await connect(bench)
        targets = ["alpha", "beta", "nobody"]
        paths = [f"/downloads/point/last-week/{name}" for name in targets]
        writer.write(b"".join(request(path) for path in paths))
        await bench.clock.asleep(1)
        assert bench.sim.report().requests == 1
        bench.clock.advance(9)
        bodies = [json.loads((await answer(reader))[1]) for _ in targets]
        assert bodies[0]["package"] == "alpha"
        assert bodies[1]["package"] == "beta"
        assert bodies[2] == {"error": "package nobody not found"}
        writer.close()


async def test_a_request_may_come_in_pieces(play):
    """Bytes are gathered until the head is whole."""
    async with play() as bench:
        reader, writer = await connect(bench)
        for byte in request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_connections_close_when_asked(play):
    """`Connection: close` and HTTP/1.0 end with the answer."""
    async with play() as bench:
        for data in (
            request(fields="Connection: close\r\n"),
            request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        ):
            reader, writer = await connect(bench)
            writer.write(data)
            head, _ = await answer(reader)
            assert b"Connection: close" in head
            assert await reader.read() == b""
            writer.close()


@pytest.mark.parametrize("junk", [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00 \x01\r\n\r\n"])
async def test_what_is_not_http_is_refused(play, junk):
    """400 and the connection closes; a TLS hello is such junk."""
    async with play() as bench:
        reader, writer = await connect(bench)
        writer.write(junk)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_head_has_no_body(play):
    """HEAD gets the length and nothing more."""
    async with play() as bench, bench.client.head(bench.sim.url + ALPHA) as got:
        assert int(got.headers["Content-Length"]) > 50
        assert await got.read() == b""


async def test_the_report_counts_names_statuses_and_agents(play):
    """Asked and answered are two counts; control requests are in none."""
    async with play(Scenario(quotas=(Quota(limit=3, window_s=60.0),))) as bench:
        await bench.point("alpha,beta")
        await bench.point("alpha")
        await bench.point("nobody")
        await bench.point("alpha")
        got = (await bench.get("/-/sim/report")).json
        assert got["requests"] == 4
        assert got["by_status"] == {"200": 2, "404": 1, "429": 1}
        assert got["names"] == {"alpha": 3, "beta": 1, "nobody": 1}
        assert got["answered"] == {"alpha": 2, "beta": 1, "nobody": 1}
        assert got["max_in_flight"] == 1
        assert got["quotas"][0]["violations"] == got["violations"] == 1
        assert got["throttled"] == 1
        assert next(iter(got["user_agents"])).startswith("Python/")
        assert (await bench.get("/-/sim/report?names=0")).json["names"] == {}
        report = bench.sim.report()
        assert (report.requests, report.throttled, report.violations) == (4, 1, 1)


async def test_a_reset_forgets_requests_quotas_and_numbers(play):
    """After it the quota is whole and the count starts anew."""
    async with play(Scenario(quotas=(Quota(limit=1, window_s=60.0),))) as bench:
        assert await bench.statuses(2) == [200, 429]
        async with bench.client.post(bench.sim.url + "/-/sim/reset") as got:
            assert await got.json() == {"reset": True}
        assert bench.sim.report().requests == 0
        assert await bench.statuses(2) == [200, 429]
        assert (await bench.get("/-/sim/nothing")).status == 404


async def test_another_scenario_can_be_played_over_http(play):
    """The provider gets well, or ill, on the same port; a mistake changes nothing."""
    async with play() as bench:
        url = bench.sim.url + "/-/sim/play"
        ill = {"name": "ill", "behaviours": [{"kind": "fail", "status": 502}]}
        async with bench.client.post(url, json=ill) as got:
            assert await got.json() == {"playing": "ill"}
        assert await bench.statuses(2) == [502, 502]
        for wrong in (b"{", b"[]", b'{"latncy_s": 1}'):
            async with bench.client.post(url, data=wrong) as got:
                assert got.status == 400
                assert (await got.json())["error"]
        assert bench.sim.report().requests == 2
        async with bench.client.post(url, json={"base": "calm"}) as got:
            assert got.status == 200
        assert await bench.statuses(1) == [200]


async def test_a_reset_with_a_request_in_flight(play):
    """The request under way still ends; the count in flight does not go below zero."""
    async with play(Scenario(latency_s=1.0)) as bench:
        asking = asyncio.create_task(bench.point("alpha"))
        await bench.clock.asleep(1)
        bench.sim.reset()
        bench.clock.advance(1)
        assert (await asking).status == 200
        asking = asyncio.create_task(bench.point("alpha"))
        await bench.clock.asleep(1)
        bench.clock.advance(1)
        await asking
        assert bench.sim.report().max_in_flight == 1


async def test_the_log_has_a_line_at_arrival_and_one_at_the_end(play, tmp_path):
    """Both are in the file before the client has its answer; a second start appends."""
    log = tmp_path / "requests.jsonl"
    for _ in range(2):
        async with play(log=log) as bench:
            await bench.point("alpha,beta")
            lines = [json.loads(line) for line in log.read_text().splitlines()][-2:]
    assert len(log.read_text().splitlines()) == 4
    assert [line["event"] for line in lines] == ["asked", "answered"]
    assert lines[0]["names"] == ["alpha", "beta"]
    assert lines[0]["target"] == "/downloads/point/last-week/alpha,beta"
    assert (lines[1]["n"], lines[1]["status"], lines[1]["whole"]) == (1, 200, True)


async def test_a_log_that_cannot_be_written_is_an_error_at_the_start(tmp_path):
    """OutputError with the path."""
    with pytest.raises(OutputError, match="nowhere"):
        async with NpmSim(log=tmp_path / "nowhere" / "x"):
            pass


async def test_a_port_in_use_is_a_clear_error():
    """PortError with the number, and what to do."""
    async with NpmSim() as sim:
        port = int(sim.url.rpartition(":")[2])
        with pytest.raises(PortError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            async with NpmSim(port=port):
                pass
        assert "--port" in caught.value.hint


async def test_closing_ends_open_and_hanging_connections(play):
    """Leaving the context does not wait for clients that stay."""
    async with play(Scenario(latency_s=1e9)) as bench:
        reader, writer = await connect(bench)
        writer.write(request())
        await bench.clock.asleep(1)
    assert await reader.read() == b""
    writer.close()


def start(*arguments: str) -> subprocess.Popen[str]:
    """The simulator in a process of its own."""
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(
        [sys.executable, "-m", "ventil.sim.npm", *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_says_where_and_ends_on_a_signal(tmp_path, number):
    """One line with the URL; the counts file is served; exit code 0."""
    counts = tmp_path / "stats.json"
    counts.write_text('{"packages": {"zeta": {"downloads": {"npm": 77}}}, "updated": "x"}')
    process = start("calm", "--counts", str(counts), "--today", "2021-10-18")
    try:
        line = process.stdout.readline().split()
        assert line[0] == "listening"
        with urllib.request.urlopen(line[1] + "/downloads/point/last-week/zeta") as got:  # noqa: S310
            assert json.load(got)["downloads"] == 77
    finally:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_mistakes_on_the_command_line_are_explained(tmp_path, capsys):
    """Port in use: 1; an unknown scenario: 2 with a hint; a bad counts file: 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["calm", "--port", str(taken.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err
    assert main(["hostil"]) == 2
    assert "did you mean 'hostile'" in capsys.readouterr().err
    assert main(["calm", "--counts", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
