"""What the table of faults says is what was seen, and no alert is forgotten in it."""

import asyncio
import re
import subprocess
import sys

import msgspec
import pytest

from benchmarks.chaos import figures
from benchmarks.chaos.alerts import beginnings, scaled
from benchmarks.chaos.faults import ELSEWHERE, FAULTS
from benchmarks.chaos.guests import Where
from benchmarks.chaos.lanes import Lanes
from benchmarks.chaos.probes import Asked
from benchmarks.load.figures import Entry, Second
from infra.observability import rules
from tests.serving import free_port


def second(at: float, milliseconds: float, *, failures: int = 0) -> Second:
    """Ten requests in a second, that all took as long."""
    took = [(milliseconds, 10)]
    entries = [Entry("GET", "home", 10, failures, 10 * milliseconds, took)]
    return Second(at, 5, entries, {"GET home: 503 unavailable": failures} if failures else {}, {})


def every_rule() -> list[dict[str, object]]:
    return [rule for group in rules.groups()["groups"] for rule in group["rules"]]


def test_an_outage_is_as_long_as_somebody_asks_in_vain() -> None:
    served = [Asked(at, at + 0.125, 200) for at in (0.0, 0.25)]
    refused = [Asked(at, at, 503) for at in (0.5, 1.0, 5.0)]
    again = [Asked(5.25, 5.5, 200), Asked(5.75, 6.0, 200)]
    asked = [*served, *refused, *again]
    assert figures.longest_outage(asked, 0.0, 10.0) == 5.0
    # Nobody asked meanwhile, which is no outage,
    assert figures.longest_outage([*served, *again], 0.0, 10.0) == 0.25
    # but whoever waits for an answer has asked.
    assert figures.longest_outage([*served, Asked(0.5, 4.5, 200)], 0.0, 10.0) == 4.0
    # It is not over at the end of what is looked at, and began no sooner.
    assert figures.longest_outage([*served, *refused], 0.0, 10.0) == 9.5
    assert figures.longest_outage(refused, 0.75, 10.0) == 9.0


def test_whose_fault_an_error_was_is_told_by_its_words() -> None:
    words = {
        "503 unavailable": "5xx",
        "429 too-many-requests": "4xx",
        "ConnectionRefusedError(111, 'Connection refused')": figures.REFUSED,
        "TimeoutError('timed out')": figures.TIMEOUT,
        "HTTPConnectionClosed('connection closed.')": figures.CUT,
    }
    errors = {f"POST /api/orders 503: {told}": 2 for told in words}
    counted = figures.kinds([Second(0.0, 0, [], errors, {})])
    assert counted == dict.fromkeys(words.values(), 2)


def test_it_is_as_before_when_nothing_fails_and_nobody_waits_twice_as_long() -> None:
    calm = [second(float(at), 40) for at in range(3)]
    fails = [second(float(at), 40, failures=1) for at in range(3, 6)]
    slow = [second(float(at), 90) for at in range(6, 8)]
    well = [second(float(at), 70) for at in range(8, 20)]
    # The last second that was slow is looked at with the two behind it.
    assert figures.healed([*calm, *fails, *slow, *well], 3.0, 40.0) == 7.0
    assert figures.healed(calm, 0.0, 40.0) == 0.0
    assert figures.healed([*calm, *fails], 0.0, 40.0) is None


def test_all_that_a_rule_says_of_time_is_shorter_and_nothing_else() -> None:
    by_name = {str(rule["alert"]): scaled(rule) for rule in every_rule() if "alert" in rule}
    for rule in every_rule():
        assert not re.search(r"\[\d+[smhd]\]|offset \d+[smhd]\b", scaled(rule)["expr"])
    told = {name: (rule["expr"], rule["for"]) for name, rule in by_name.items()}
    assert told["OutboxStuck"] == ("max(comanda_outbox_oldest_seconds) > 10", "2000ms")
    assert by_name["ArchiveBehind"]["expr"].startswith("pg_stat_archiver_last_archive_age > 10 or")
    assert told["LoopBlocked"] == ("comanda_event_loop_lag_seconds > 0.5", "5000ms")
    assert "offset 15000ms" in told["ProcessLost"][0]
    assert "[360000ms], 1440)" in told["DiskFills"][0]
    # The last of several: three days.
    assert "* 4320 >= 5" in told["AvailabilityBurn"][0]


def test_an_alert_that_was_there_before_did_not_begin_but_may_again() -> None:
    assert beginnings([10.0, 10.25, 10.5, 12.0, 12.25], since=10.0) == [12.0]
    assert beginnings([10.5, 10.75], since=10.0) == [10.5]
    assert beginnings([], since=10.0) == []


def test_every_alert_is_of_a_fault_or_it_is_said_why_not() -> None:
    of_faults = {alert for fault in FAULTS for alert in fault.alerts}
    alerts = {rule["alert"] for rule in every_rule() if "alert" in rule}
    assert of_faults | set(ELSEWHERE) == alerts
    assert not of_faults & set(ELSEWHERE)


@pytest.mark.parametrize("what", ["ask", "look", "sit", "sleep"])
def test_guests_go_with_whoever_brought_them(what: str) -> None:
    nobody = Where(free_port(), ["Bearer x"], "")
    command = [sys.executable, "-m", "benchmarks.chaos.guests", what]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as guests:
        assert guests.stdin is not None
        guests.stdin.write(msgspec.json.encode(nobody) + b"\n")
        guests.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            guests.wait(1)
        guests.communicate()
        assert guests.returncode == 0


async def test_what_goes_a_long_way_comes_whole_and_in_its_order_while_that_becomes_shorter() -> (
    None
):
    numbers = b"".join(b"%08d" % number for number in range(5_000))

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        for at in range(0, len(numbers), 100):
            writer.write(numbers[at : at + 100])
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        to, port = server.sockets[0].getsockname()[1], free_port()
        with Lanes({to: port}) as lanes:
            async with asyncio.timeout(30):
                while True:
                    try:
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                        break
                    except OSError:
                        await asyncio.sleep(0.01)
                lanes.last(0.05)
                writer.write(b"?")
                began = await reader.read(800)
                lanes.last(0)
                assert began + await reader.read(-1) == numbers
                writer.close()
