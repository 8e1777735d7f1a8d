"""The snippets of docs/clients.md, run against a server as they stand there."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from bff.settings import Settings
from imaging.shelves import Shelves
from infra.demo.campus import PASSWORD
from infra.demo.pictures import draw_jpeg
from tests.bff.realtime.clients import HOME, installed
from tests.bff.realtime.conftest import Person
from tests.clients_page import snippets
from tests.serving import free_port, running, until_healthy

# What an app does with them, told on standard output.
APP: Final = """
import { Client } from "./client.js";
import { follow } from "./live.js";
import { order } from "./order.js";
import { pages } from "./pages.js";
import { sized } from "./picture.js";
const [url, email, password] = process.argv.slice(2);
const told = {};
const client = new Client(url, {});
await client.logIn(email, password);
const basket = [{ productId: 1, quantity: 1 }];
told.asked = await order(client, 1, basket, "0.01", crypto.randomUUID());
const key = crypto.randomUUID();
const twice = [0, 1].map(() => order(client, 1, basket, told.asked.asks, key).catch(() => null));
told.placed = [...new Set((await Promise.all(twice)).filter(Boolean).map(({ id }) => id))];
told.mine = [];
for await (const page of pages(client, "/api/orders?mine=true&limit=2&fields=id")) {
  told.mine.push(...page.map(({ id }) => id));
}
// Its token is no good any more, and two notice it at once.
client.store.tokens.accessToken = "expired";
const seen = await Promise.all([client.get("/api/me"), client.get("/api/wallet")]);
told.me = seen[0].email;
// Away, while an order is placed: it is told when the phone is back.
const store = { since: (await client.get("/api/orders/changes")).next };
const { id } = await order(client, 1, basket, null, crypto.randomUUID());
told.missed = await new Promise((resolve) => follow(client, store, (news) => {
  if (news.id === id) resolve(news.status);
}));
const { picture } = await (await fetch(`${url}/api/products/1`)).json();
told.picture = sized(picture, 100, 2);
console.log(JSON.stringify(told));
process.exit(0);
"""


@pytest.fixture
async def server(settings: Settings, shelves: Shelves) -> AsyncIterator[str]:
    with running(settings, [free_port()]) as [url]:
        await until_healthy(url)
        yield url


async def test_a_phone_does_what_the_page_says(
    server: str, shelves: Shelves, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    installed()
    (tmp_path / "node_modules").symlink_to(HOME / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name, code in {**snippets(), "app.js": APP}.items():
        (tmp_path / name).write_text(code)
    staff = await Person.at(server, "staff1")
    async with httpx.AsyncClient(base_url=server, trust_env=False, timeout=30) as client:
        photograph = draw_jpeg("salads", 1, (1600, 1200))
        bearer = {"authorization": f"Bearer {staff.token}"}
        hung = await client.put("/api/products/1/picture", content=photograph, headers=bearer)
    assert hung.status_code == 200
    email = "student1@campus.example"
    command = ["node", str(tmp_path / "app.js"), server, email, PASSWORD]
    ran = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    price = await connection.fetchval("SELECT price_minor FROM products WHERE id = 1")
    assert told["asked"] == {"asks": f"{price / 100:.2f}"}
    assert len(told["placed"]) == 1
    mine = await connection.fetch(
        "SELECT id FROM orders WHERE user_id = (SELECT id FROM users WHERE email = $1)"
        " ORDER BY created_at DESC, id DESC OFFSET 1",
        email,
    )
    assert told["mine"] == [row["id"] for row in mine]
    assert told["me"] == email
    assert told["missed"] == "created"
    assert re.search(r"v=.+&w=200&q=80$", told["picture"])
