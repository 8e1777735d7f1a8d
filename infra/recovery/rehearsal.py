"""Of the data of the day: RDS restores the newest of it beside production, and it is looked at.

Production itself is asked nothing. `comanda recovery drill` is of the mechanism.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import ClientError
from msgspec import Struct
from sqlalchemy import make_url

from infra.local.failure import StackError
from infra.recovery.contents import Contents, contents
from infra.recovery.drill import MOST_AWAY, MOST_LOST

if TYPE_CHECKING:
    from types import FrameType

    from botocore.client import BaseClient

Say = Callable[[str], None]

# Beside the one that it is made of; infra/terraform lets the drill delete no other.
SUFFIX: Final = "-drill"
# Seconds between two looks, and for RDS to do what it was asked.
_PAUSE: Final = 15.0
_PATIENCE: Final = 3 * 3600.0


class Rehearsed(Struct, frozen=True, rename="camel"):
    """What would have been lost (RPO), and how long it took until it was there and had been looked
    at (RTO), in seconds; and what is in it."""

    restored_to: datetime
    rpo_seconds: float
    rto_seconds: float
    contents: Contents

    @property
    def keeps_its_word(self) -> bool:
        """Whether it is as was promised."""
        in_time = self.rpo_seconds <= MOST_LOST and self.rto_seconds <= MOST_AWAY
        return in_time and self.contents.is_sound and self.contents.orders > 0


class Ending:
    """A signal that ends a rehearsal, where it waits.

    Raised between any two steps, SystemExit leaves open a socket that is just being connected, and
    in a finalizer it is lost.
    """

    def __init__(self) -> None:
        self._told = 0
        self._is_heard = False

    def tell(self, signal: int, _frame: FrameType | None) -> None:
        """For `signal.signal`."""
        self._told = signal
        if self._is_heard:
            raise SystemExit(128 + signal)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Here, and of what was told before."""
        try:
            self._is_heard = True
            if self._told:
                raise SystemExit(128 + self._told)
            yield
        finally:
            self._is_heard = False


def rehearse(
    url: str, say: Say, ending: Ending, *, pause: float = _PAUSE, patience: float = _PATIENCE
) -> Rehearsed:
    """Restore the database instance that `url` leads to as of now, look at it, and delete it.

    Raises StackError, what asking RDS and the restored one does, and SystemExit where `ending` is
    told.
    """
    rds = Instances(boto3.client("rds"), ending, pause, patience)
    source = source_of(url)
    beside = source + SUFFIX
    # What an earlier one has left, or has still to go.
    rds.delete(beside)
    rds.gone(beside)
    asked_at, began = datetime.now(UTC), time.monotonic()
    try:
        until = rds.restore(source, beside)
        say(f"{beside} is made of {source} as of {until:%Y-%m-%d %H:%M:%S} UTC")
        host, port = rds.address(beside)
        restored = make_url(url).set(host=host, port=port)
        with ending.heard():
            found = asyncio.run(contents(restored.render_as_string(hide_password=False)))
        rto = time.monotonic() - began
    finally:
        rds.delete(beside)
    rpo = (asked_at - until).total_seconds()
    return Rehearsed(until, round(max(0.0, rpo), 3), round(rto, 3), found)


def source_of(url: str) -> str:
    """The name of an instance, which is the first part of its host's."""
    return (make_url(url).host or "").partition(".")[0]


class Instances:
    """Database instances of an account and region, as RDS has them."""

    def __init__(self, rds: BaseClient, ending: Ending, pause: float, patience: float) -> None:
        self._rds: Any = rds
        self._ending = ending
        self._pause = pause
        self._patience = patience

    def restore(self, source: str, target: str) -> datetime:
        """Begin to make one of the newest that another one's log has: of which moment that is."""
        known = self._known(source)
        if known is None:
            raise StackError(f"RDS knows no {source}.", "Is COMANDA_DATABASE_URL production's?")
        groups = [each["VpcSecurityGroupId"] for each in known["VpcSecurityGroups"]]
        until: datetime = known["LatestRestorableTime"]
        self._rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=source,
            TargetDBInstanceIdentifier=target,
            RestoreTime=until,
            DBInstanceClass=known["DBInstanceClass"],
            DBSubnetGroupName=known["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=groups,
            DBParameterGroupName=known["DBParameterGroups"][0]["DBParameterGroupName"],
            MultiAZ=False,
            PubliclyAccessible=False,
            DeletionProtection=False,
            AutoMinorVersionUpgrade=False,
        )
        return until

    def address(self, name: str) -> tuple[str, int]:
        """Where it is, once it is there. Raises StackError."""
        endpoint = self._until(name, _is_available)["Endpoint"]
        return endpoint["Address"], endpoint["Port"]

    def delete(self, name: str) -> None:
        """Have it deleted, with all that is kept of it, if it is there."""
        deadline = time.monotonic() + self._patience
        while (known := self._known(name)) and known["DBInstanceStatus"] != "deleting":
            try:
                self._rds.delete_db_instance(
                    DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
                )
                return
            except ClientError as error:
                # It is being made, or its first backup is. Nobody is heard: it is not to stay.
                if _code(error) != "InvalidDBInstanceState" or time.monotonic() > deadline:
                    raise
                time.sleep(self._pause)

    def gone(self, name: str) -> None:
        """Returns when it is not there any more. Raises StackError."""
        self._until(name, lambda known: known is None)

    def _until(self, name: str, is_so: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + self._patience
        while not is_so(known := self._known(name)):
            if time.monotonic() > deadline:
                status = "gone" if known is None else known["DBInstanceStatus"]
                raise StackError(
                    f"{name} is {status} after {self._patience:g} s.", "Look at RDS's events."
                )
            with self._ending.heard():
                time.sleep(self._pause)
        return known

    def _known(self, name: str) -> Any:
        try:
            found = self._rds.describe_db_instances(DBInstanceIdentifier=name)
        except ClientError as error:
            if _code(error) == "DBInstanceNotFound":
                return None
            raise
        return found["DBInstances"][0]


def _is_available(known: Any) -> bool:
    return known is not None and known["DBInstanceStatus"] == "available"


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
