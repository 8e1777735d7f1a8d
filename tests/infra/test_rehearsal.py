"""The data of the day is restored beside production, looked at, and production is left alone."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from bff.cli import main
from domain.errors import UnavailableError
from infra.local.failure import StackError
from infra.recovery.contents import contents
from infra.recovery.rehearsal import Ending, Rehearsed, rehearse
from tests.conftest import CAMPUS_ORDERS
from tests.rds import BEHIND, Rds, rds
from tests.serving import free_port

PRIMARY = "comanda-production-primary"
BESIDE = f"{PRIMARY}-drill"


def said(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def amazon(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rds]:
    """RDS with a primary, whose newest data is the campus."""
    there = make_url(database)
    assert there.host is not None
    assert there.port is not None
    with rds(there.host, there.port, PRIMARY) as amazon:
        reached(amazon, monkeypatch)
        yield amazon


def reached(amazon: Rds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", amazon.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-south-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")


@pytest.fixture
def unending(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rds]:
    """RDS where what is restored never comes to be there."""
    with rds("127.0.0.1", 1, PRIMARY) as amazon:
        amazon.is_slow = True
        reached(amazon, monkeypatch)
        url = production("postgresql://nobody@127.0.0.1/comanda")
        monkeypatch.setenv("COMANDA_DATABASE_URL", url)
        before = signal.getsignal(signal.SIGTERM)
        yield amazon
        signal.signal(signal.SIGTERM, before)


def production(database: str) -> str:
    """As its pods have it; nobody is there, for it is asked nothing."""
    url = make_url(database).set(host=f"{PRIMARY}.cluster.example", port=1)
    return url.render_as_string(hide_password=False)


async def rehearsed(database: str) -> Rehearsed:
    url = production(database)
    return await asyncio.to_thread(rehearse, url, said, Ending(), pause=0.01, patience=5)


async def test_what_was_restored_is_told_and_nothing_of_it_is_left(
    amazon: Rds, database: str
) -> None:
    told = await rehearsed(database)
    assert told.keeps_its_word
    assert told.contents == await contents(database)
    assert told.contents.orders == CAMPUS_ORDERS
    assert told.rpo_seconds >= BEHIND.total_seconds() - 1
    assert told.rto_seconds > 0
    assert amazon.status == {PRIMARY: "available", BESIDE: "deleting"}
    restored, deleted = amazon.asked
    assert restored["SourceDBInstanceIdentifier"] == PRIMARY
    assert restored["TargetDBInstanceIdentifier"] == deleted["DBInstanceIdentifier"] == BESIDE
    assert restored["VpcSecurityGroupIds.VpcSecurityGroupId.1"] == "sg-1"
    assert restored["PubliclyAccessible"] == restored["DeletionProtection"] == "false"


async def test_a_database_that_cannot_be_trusted_breaks_the_word_and_is_deleted_too(
    amazon: Rds, database: str, connection: asyncpg.Connection
) -> None:
    # Of an earlier one, and just being backed up.
    amazon.status[BESIDE] = "available"
    amazon.refusals = 1
    await connection.execute(
        "UPDATE wallets SET balance_minor = balance_minor + 1"
        " WHERE user_id = (SELECT min(user_id) FROM wallets)"
    )
    told = await rehearsed(database)
    assert not told.keeps_its_word
    assert not told.contents.is_sound
    restore, delete = "RestoreDBInstanceToPointInTime", "DeleteDBInstance"
    assert [each["Action"] for each in amazon.asked] == [delete, delete, restore, delete]
    assert amazon.status == {PRIMARY: "available", BESIDE: "deleting"}


async def test_one_that_does_not_answer_is_deleted_and_one_that_nobody_knows_is_an_error(
    amazon: Rds, database: str
) -> None:
    amazon.port = free_port()
    with pytest.raises(UnavailableError):
        await rehearsed(database)
    assert amazon.status.pop(BESIDE) == "deleting"
    del amazon.status[PRIMARY]
    with pytest.raises(StackError, match="knows no"):
        await rehearsed(database)


def test_what_is_in_a_restored_database_is_told_as_json(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMANDA_DATABASE_URL", database)
    ended = CliRunner().invoke(main, ["recovery", "verify"])
    assert ended.exit_code == 0
    told = json.loads(ended.stdout)
    assert (told["orders"], told["isSound"]) == (CAMPUS_ORDERS, True)
    assert datetime.fromisoformat(told["newestAt"]) < datetime.now(UTC)


def test_whose_role_may_not_is_told_so(unending: Rds) -> None:
    unending.is_closed = True
    ended = CliRunner().invoke(main, ["recovery", "rehearse"])
    assert ended.exit_code == 1
    assert "AccessDenied" in ended.output


def test_one_that_is_told_to_end_deletes_what_it_has_begun(unending: Rds) -> None:
    def end() -> None:
        while BESIDE not in unending.status:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    ended = CliRunner().invoke(main, ["recovery", "rehearse"])
    ending.join()
    assert ended.exit_code == 128 + signal.SIGTERM
    assert unending.status == {PRIMARY: "available", BESIDE: "deleting"}


def test_whatever_it_does_when_it_is_told_is_done_first(
    unending: Rds, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = socket.socket.connect
    connected = []

    def told(connection: socket.socket, place: Any) -> None:
        connected.append(connection)
        if BESIDE in unending.status:
            os.kill(os.getpid(), signal.SIGTERM)
        connect(connection, place)

    monkeypatch.setattr(socket.socket, "connect", told)
    ended = CliRunner().invoke(main, ["recovery", "rehearse"])
    assert ended.exit_code == 128 + signal.SIGTERM
    assert unending.status == {PRIMARY: "available", BESIDE: "deleting"}
    assert {each.fileno() for each in connected} == {-1}
