"""The roles that production's database is given once, on a real server."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from infra.local.postgres import installed_postgres
from migrations.runner import migrate

SCRIPT = Path(__file__).parents[2] / "infra/terraform/modules/database/roles.sql"


async def test_what_one_of_the_two_roles_has_made_the_other_can_alter() -> None:
    place = urlsplit(os.environ["COMANDA_DATABASE_URL"])
    name = f"roles_{uuid4().hex}"

    def url(role: str, password: str | None) -> str:
        return f"postgresql://{role}:{password}@{place.hostname}:{place.port}/{name}"

    root = await asyncpg.connect(place.geturl())
    await root.execute(f"CREATE DATABASE {name}")
    try:
        psql = [str(installed_postgres() / "bin" / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1"]
        psql += ["-v", "password=first's", "-f", str(SCRIPT)]
        superuser = url(str(place.username), place.password)
        subprocess.run([*psql, superuser], check=True)  # noqa: ASYNC221
        await migrate(url("comanda_app", "first%27s"))
        # As the rotation does at its first turn.
        await root.execute("ALTER ROLE comanda_app_clone PASSWORD 'second'")
        clone = await asyncpg.connect(url("comanda_app_clone", "second"))
        await clone.execute("ALTER TABLE orders ADD COLUMN made_by_the_clone text")
        await clone.close()
        app = await asyncpg.connect(url("comanda_app", "first%27s"))
        await app.execute("ALTER TABLE orders DROP COLUMN made_by_the_clone")
        await app.close()
    finally:
        await root.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await root.execute("DROP ROLE IF EXISTS comanda_app, comanda_app_clone, comanda_owner")
        await root.close()
