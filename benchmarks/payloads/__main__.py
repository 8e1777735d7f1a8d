"""`python -m benchmarks.payloads`: bytes on the wire of the catalogue and the order list, and how
many requests the first screen replaces."""

import argparse
import asyncio
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from benchmarks import page
from benchmarks.pictures.application import environment, prepare, start
from benchmarks.servers import data_directory
from bff.representation import views
from bff.representation.codings import BROTLI, GZIP, ZSTD, Coding
from bff.representation.shared import WORTH
from domain.database import dsn
from domain.model import Role
from infra.demo import loader
from infra.demo.campus import PASSWORD
from infra.local.stack import Stack

ORDERS: Final = 20_000
# What an app without /api/home asks for, to show the same; the bestsellers, one by one.
PARTS: Final = (
    "/api/me?",
    "/api/cafeterias?fields=id,name,isOpen,acceptsOrders,opensAt,closesAt,nextChange",
    "/api/categories?",
    "/api/orders?limit=1&status=created&status=accepted&status=preparing&status=ready"
    f"&fields={views.WHOLE_ORDER}",
    "/api/notifications/unread?",
    "/api/wallet?limit=1&fields=id",
)
CODINGS: Final = (GZIP, BROTLI, ZSTD)
# Of a coded answer more than of one that is not: "content-encoding: gzip" and the end of its line.
HEADER_BYTES: Final = len("content-encoding: gzip\r\n")
# Seconds for the best coding of an answer to be ready.
_PATIENCE: Final = 10.0
_UNLIMITED: Final = {"COMANDA_LIMIT_GENERAL": "0", "COMANDA_LIMIT_ANONYMOUS": "0"}
# As an upload would leave it.
_PICTURES: Final = """
UPDATE products SET picture_version = left(md5(id::text), 12), picture_original = md5(id::text),
    picture_width = 1600, picture_height = 1200, picture_uploaded_at = now(),
    picture_color = '#' || left(md5('color' || id), 6),
    picture_thumbhash = left(encode(decode(md5('a' || id) || md5('b' || id), 'hex'), 'base64'), 28)
"""
_REGULAR: Final = """
SELECT email FROM users JOIN orders ON user_id = users.id WHERE role = 'customer'
GROUP BY email HAVING count(*) > 20 ORDER BY email LIMIT 1
"""


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/representation.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.payloads", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/representation.md, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="comanda-payloads-") as directory, ExitStack() as stack:
        text = _measured(Path(directory), stack)
    print(text)
    if given.write:
        page.write("payloads", text, page.PAGE.with_name("representation.md"))


def _measured(directory: Path, running: ExitStack) -> str:
    servers = running.enter_context(Stack(data_directory(directory), replicas=0))
    addresses = environment(servers) | _UNLIMITED
    asyncio.run(prepare(addresses))
    email = asyncio.run(_filled(addresses["COMANDA_DATABASE_URL"]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    peer = start("Comanda", port, addresses, None)
    running.callback(peer.stop)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        credentials = {"email": email, "password": PASSWORD}
        token = client.post("/auth/login", json=credentials).json()["accessToken"]
        client.headers["authorization"] = f"Bearer {token}"
        return "\n".join([*_sizes(client), "", *_small(client), "", *_first_screen(client)]) + "\n"


async def _filled(url: str) -> str:
    """Who has more than a page of orders."""
    await loader.load(url, ORDERS, lambda told: print(told, file=sys.stderr))
    connection = await asyncpg.connect(dsn(url))
    try:
        await connection.execute(_PICTURES)
        return str(await connection.fetchval(_REGULAR))
    finally:
        await connection.close()


def _sizes(client: httpx.Client) -> Iterator[str]:
    orders = views.ORDERS[Role.CUSTOMER]
    catalogue, own = "/api/products?limit=100&fields=", "/api/orders?limit=20&fields="
    several = {
        "100 products, every field": catalogue + views.PRODUCTS.whole.key,
        "100 products, by default": catalogue.removesuffix("&fields="),
        "100 products, `id,name,price,picture.url`": f"{catalogue}id,name,price,picture.url",
        "20 orders, every field": own + orders.whole.key,
        "20 orders, by default": own.removesuffix("&fields="),
        "20 orders, `id,status,totalAmount`": f"{own}id,status,totalAmount",
        "20 orders, the same with `items.quantity,items.product.name`": (
            f"{own}id,status,totalAmount,items.quantity,items.product.name"
        ),
    }
    yield "| body, bytes | as it is | gzip | br | zstd | for who has it |"
    yield "|---|---|---|---|---|---|"
    for name, url in several.items():
        sizes = [_size(client, url, coding) for coding in (None, *CODINGS)]
        yield f"| {name} | " + " | ".join(f"{size:,}" for size in sizes) + " | 0 |"


def _small(client: httpx.Client) -> Iterator[str]:
    """Where coding begins to be worth its header."""
    yield f"| small bodies, bytes, with {HEADER_BYTES} of header where coded | gzip | br | zstd |"
    yield "|---|---|---|---|"
    for limit in (1, 2, 3, 4, 6, 9):
        url = f"/api/orders?limit={limit}&fields=id,status,totalAmount"
        body = client.get(url, headers={"accept-encoding": "identity"}).content
        coded = [len(coding.live(body)) + HEADER_BYTES for coding in CODINGS]
        yield f"| {len(body)} | " + " | ".join(map(str, coded)) + " |"


def _first_screen(client: httpx.Client) -> Iterator[str]:
    """One request, and those that show the same without it, head and body."""
    shown = client.get("/api/home").json()
    if shown["problems"]:
        raise ValueError(shown["problems"])
    dishes = [f"/api/products/{each['id']}?" for each in shown["bestsellers"]]
    several = {"`/api/home`": ["/api/home"], "the same without it": [*PARTS, *dishes]}
    yield "| first screen | requests | bytes of bodies, gzip | with the heads of the answers |"
    yield "|---|---|---|---|"
    for name, urls in several.items():
        answers = [_answer(client, url) for url in urls]
        bodies = sum(int(each.headers["content-length"]) for each in answers)
        heads = sum(
            len(name) + len(value) + 4 for each in answers for name, value in each.headers.raw
        )
        yield f"| {name} | {len(urls)} | {bodies:,} | {bodies + heads:,} |"


def _answer(client: httpx.Client, url: str) -> httpx.Response:
    answer = client.get(url, headers={"accept-encoding": GZIP.name})
    return answer.raise_for_status()


def _size(client: httpx.Client, url: str, coding: Coding | None) -> int:
    """The body's bytes, once what is everybody's has been asked for often."""
    headers = {"accept-encoding": "identity" if coding is None else coding.name}
    deadline = time.monotonic() + _PATIENCE
    asked = 0
    while True:
        answer = client.get(url, headers=headers)
        answer.raise_for_status()
        asked += 1
        is_shared = answer.headers["cache-control"].startswith("public") and coding is not None
        if not is_shared or answer.headers["etag"].endswith('+"') or time.monotonic() > deadline:
            return int(answer.headers["content-length"])
        if asked > WORTH:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
