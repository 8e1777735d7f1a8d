"""Base backups and WAL in S3: what PostgreSQL hands over counts as archived when it is there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_BASE: Final = "base/base.tar"
_WAL: Final = "wal/"
_PAUSE: Final = 0.05
# PostgreSQL waits so long for a segment to be taken (tenths of a second), and then tries again.
_MOST_NAPS: Final = 300


class Archive:
    """A bucket, and the spool that a server fills it through."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str) -> None:
        self._bucket = bucket
        self._s3: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="eu-south-2",
            config=Config(retries={"total_max_attempts": 5, "mode": "standard"}),
        )
        self._s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-south-2"}
        )

    def keep_base(self, directory: Path) -> int:
        """Upload what pg_basebackup has written; its bytes."""
        self._s3.upload_file(str(directory / "base.tar"), self._bucket, _BASE)
        return (directory / "base.tar").stat().st_size

    def keep_wal(self, file: Path) -> None:
        """Upload a segment, or the history of a timeline."""
        self._s3.upload_file(str(file), self._bucket, f"{_WAL}{file.name}")

    def fetch(self, base: Path, wal: Path) -> int:
        """Download the base backup, and all WAL there is; how many files that is."""
        self._s3.download_file(self._bucket, _BASE, str(base))
        count = 0
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=_WAL):
            for each in page.get("Contents", []):
                name = each["Key"].removeprefix(_WAL)
                self._s3.download_file(self._bucket, each["Key"], str(wal / name))
                count += 1
        return count


class Shipper:
    """Takes from a spool what a server has put there, in the order of WAL."""

    def __init__(self, archive: Archive, spool: Path) -> None:
        self._archive = archive
        self._spool = spool
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Shipper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            for file in sorted(self._spool.glob("*")):
                if file.suffix != ".new":
                    try:
                        self._archive.keep_wal(file)
                        file.unlink()
                    except FileNotFoundError:
                        # The machine it was on was lost meanwhile.
                        break


def command(spool: Path) -> str:
    """PostgreSQL's archive_command: it succeeds when the segment is in S3, and not before."""
    target = f'"{spool}/%f"'
    return (
        f'set -e; cp "%p" "{spool}/%f.new"; mv "{spool}/%f.new" {target}; n=0; '
        f"while [ -e {target} ]; do n=$((n+1)); [ $n -lt {_MOST_NAPS} ]; sleep 0.1; done"
    )
