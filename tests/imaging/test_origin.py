"""A picture over HTTP: uploaded once, rendered once, kept, and answered by the book."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import asyncpg
import httpx
import msgspec
import pytest
from litestar.types import Receive, Scope, Send
from PIL import Image
from sqlalchemy import make_url

from bff.app import create_app
from bff.settings import Settings, SettingsError
from cdn import freshness
from cdn.address import KeyRing, Variant, original_key, resolve, sign
from cdn.purge import PurgeError, RecordedPurges
from domain.catalogue import PICTURE_CHANGED, Catalogue, PictureChange
from domain.database import Database
from domain.events import Outbox
from imaging import intake as intake_module
from imaging import origin as origin_module
from imaging import preparation as preparation_module
from imaging import shelves as shelves_module
from imaging.facts import facts
from imaging.intake import Intake, shelve
from imaging.memory import Memory
from imaging.origin import Known, Origin
from imaging.pictures import PictureFacts
from imaging.preparation import Preparation
from imaging.shelves import ShelfError, Shelves, Store, level_key
from imaging.workers import Limits, OverloadedError, Workers
from infra.demo.campus import PASSWORD
from tests.imaging.samples import gif
from tests.serving import Proxy

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
Upload = Callable[[bytes], Awaitable[dict[str, object]]]
SeenTo = Callable[[], Awaitable[None]]
WAITING = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
Hung = Callable[[], Awaitable[str]]
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def photograph(width: int = 1600, height: int = 1200, grain: int = 40) -> bytes:
    body = BytesIO()
    # Coarse, for noise in every pixel is what costs encoders most.
    coarse = Image.effect_noise((width // 8, height // 8), grain)
    coarse.resize((width, height)).convert("RGB").save(body, "JPEG")
    return body.getvalue()


def see_through() -> bytes:
    """A PNG with a dot in the middle of nothing."""
    body = BytesIO()
    picture = Image.new("RGBA", (640, 480), (0, 0, 0, 0))
    picture.paste((200, 30, 30, 255), (300, 200, 340, 240))
    picture.save(body, "PNG")
    return body.getvalue()


def opened(answer: httpx.Response) -> Image.Image:
    return Image.open(BytesIO(answer.content))


@pytest.fixture
async def staff(client: httpx.AsyncClient) -> dict[str, str]:
    """The counter of cafeteria 1, which product 1 is of."""
    return await bearer(client, "staff1")


async def bearer(client: httpx.AsyncClient, account: str) -> dict[str, str]:
    credentials = {"email": f"{account}@campus.example", "password": PASSWORD}
    answer = await client.post("/auth/login", json=credentials)
    return {"authorization": f"Bearer {answer.json()['accessToken']}"}


@pytest.fixture
def upload(client: httpx.AsyncClient, staff: dict[str, str]) -> Upload:
    """Give product 1 a picture; what the API answers."""

    async def upload(body: bytes) -> dict[str, object]:
        answer = await client.put("/api/products/1/picture", content=body, headers=staff)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return upload


@pytest.fixture
def hung(connection: asyncpg.Connection) -> Hung:
    """The name of the original of product 1."""

    async def hung() -> str:
        question = "SELECT picture_original FROM products WHERE id = 1"
        return str(await connection.fetchval(question))

    return hung


@pytest.fixture
def seen_to(serve: Serve, settings: Settings, connection: asyncpg.Connection) -> SeenTo:
    """The time that a change has to be seen to is over, and a process has done so."""

    async def seen_to() -> None:
        await connection.execute("UPDATE outbox SET due_at = now()")
        async with serve(settings), asyncio.timeout(30):
            while await connection.fetchval(WAITING):
                pass

    return seen_to


async def until_prepared(client: httpx.AsyncClient, staff: dict[str, str]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            answer = await client.get("/api/products/1/picture/preparation", headers=staff)
            progress = dict(answer.json())
            if progress["done"] == progress["total"]:
                return progress
            await asyncio.sleep(0.05)


async def test_a_picture_comes_in_the_asked_size_and_format_and_then_from_the_shelf(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or it is stored behind, if the shelf is not quick.
    monkeypatch.setattr(origin_module, "STORE_PATIENCE", 30.0)
    await upload(photograph())
    url = "/products/1?w=300&h=300&q=80"
    for accept, media_type in (("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg")):
        first = await client.get(url, headers={"accept": accept})
        again = await client.get(url, headers={"accept": accept})
        assert first.status_code == again.status_code == 200
        assert first.headers["content-type"] == again.headers["content-type"] == media_type
        assert first.headers["cache-status"] == "comanda-variants; fwd=miss; stored"
        assert again.headers["cache-status"] == "comanda-memory; hit"
        assert first.content == again.content
        assert opened(again).size == (300, 300)
        for step in ("queue", "fetch", "decode", "transform", "encode", "store"):
            assert f"{step};dur=" in first.headers["server-timing"]


async def test_avif_is_answered_as_what_is_ready_until_it_is_made(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(photograph())
    accept = {"accept": "image/avif,image/webp,*/*"}
    first = await client.get("/products/1?w=256&h=256", headers=accept)
    assert first.headers["content-type"] == "image/webp"
    assert first.headers["cache-control"] == freshness.MOMENT
    # It is the AVIF's date, too.
    assert "last-modified" not in first.headers
    later = first
    for _ in range(600):
        later = await client.get("/products/1?w=256&h=256", headers=accept)
        if later.headers["content-type"] == "image/avif":
            break
        await asyncio.sleep(0.05)
    assert later.headers["cache-control"] == freshness.UNVERSIONED
    assert later.headers["etag"] != first.headers["etag"]
    assert opened(later).size == (256, 256)


async def test_what_stands_in_for_avif_has_the_background_that_was_asked_for(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(see_through())
    accept = {"accept": "image/avif,*/*"}
    answer = await client.get("/products/1?w=256&h=256&bg=000", headers=accept)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == freshness.MOMENT
    # Nothing in it is as bright as the paper that others are shown on.
    assert opened(answer).convert("L").getpixel((2, 2)) == 0


@pytest.mark.parametrize(
    ("picture", "ready", "given"),
    [
        ("opaque", None, "webp"),
        ("opaque", "webp", "webp"),
        ("opaque", "jpeg", "jpeg"),
        ("see-through", "jpeg", "webp"),
    ],
)
async def test_behind_a_cdn_avif_is_answered_by_the_path_alone_as_the_best_that_is_ready(
    client: httpx.AsyncClient, upload: Upload, picture: str, ready: str | None, given: str
) -> None:
    body = photograph() if picture == "opaque" else see_through()
    version = str((await upload(body))["version"])
    if ready:
        await client.get(f"/products/1?w=256&h=200&fm={ready}")
    path = resolve(1, f"w=256&h=200&fm=avif&v={version}").path
    # The CDN hands on no Accept.
    del client.headers["accept"]
    answer = await client.get(path)
    assert answer.headers["content-type"] == f"image/{given}"
    assert answer.headers["cache-control"] == freshness.MOMENT


async def test_who_names_avif_waits_for_it_and_who_refuses_it_never_gets_it(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(photograph())
    named = await client.get("/products/1?w=200&fm=avif")
    assert named.headers["content-type"] == "image/avif"
    refused = await client.get(
        "/products/1?w=200", headers={"accept": "image/avif;q=0, image/webp"}
    )
    assert refused.headers["content-type"] == "image/webp"


async def test_a_versioned_address_is_immutable_and_an_old_one_shows_what_there_is(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    old = (await upload(photograph(grain=20)))["version"]
    pinned = await client.get(f"/products/1?w=64&v={old}")
    assert pinned.headers["cache-control"] == freshness.IMMUTABLE
    await upload(photograph(grain=90))
    shown = await client.get(f"/products/1?w=64&v={old}")
    plain = await client.get("/products/1?w=64")
    assert shown.content == plain.content != pinned.content
    assert shown.headers["cache-control"] == freshness.UNVERSIONED


async def test_the_very_same_request_is_answered_the_same_and_asks_no_database(
    settings: Settings, shelves: Shelves, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin_module, "TRUST", 600.0)
    database = make_url(settings.database_url)
    proxy = Proxy(str(database.host), int(database.port or 5432))
    await proxy.up()
    through = database.set(host="127.0.0.1", port=proxy.port)
    behind_it = msgspec.structs.replace(
        settings, database_url=through.render_as_string(hide_password=False), replica_urls=()
    )
    async with serve(behind_it) as client:
        staff = await bearer(client, "staff1")
        uploaded = await client.put("/api/products/1/picture", content=photograph(), headers=staff)
        path = f"/products/1?w=64&fm=webp&v={uploaded.json()['version']}"
        await client.get(path)
        # Of one trace, for an answer tells its id.
        first = await client.get(path, headers=TRACE)
        await proxy.down()
        second = await client.get(path, headers=TRACE)
        assert (second.status_code, second.content) == (200, first.content)
        assert second.headers == first.headers
        part = await client.get(path, headers={"range": "bytes=0-9"})
        assert part.content == first.content[:10]
        assert (await client.get("/products/1?w=64&fm=webp")).status_code == 503
        await proxy.up()
        # The pools find out which of their connections were cut.
        for _ in range(9):
            removed = await client.delete("/api/products/1/picture", headers=staff)
            if removed.status_code != 503:
                break
        assert removed.status_code == 204
        # Whoever takes it down here is believed at once.
        assert (await client.get(path)).status_code == 404
    await proxy.down()


async def test_the_canonical_path_is_the_same_picture_and_nothing_else_is(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    version = (await upload(photograph()))["version"]
    plain = await client.get(f"/products/1?w=300&fm=webp&v={version}")
    name = plain.headers["etag"].strip('"')
    canonical = await client.get(f"/v/{name}")
    assert canonical.status_code == 200
    assert canonical.content == plain.content
    for path in (name.replace("w300", "w301"), name.replace("w300", "w0300"), "1/x", "a/b/c"):
        assert (await client.get(f"/v/{path}")).status_code == 404, path


async def test_a_client_that_has_it_is_told_so_before_any_work(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(photograph())
    first = await client.get("/products/1?w=300&fm=jpeg")
    monkeypatch.setattr(origin_module.Origin, "serve", None)
    monkeypatch.setattr(origin_module.Origin, "at_hand", None)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for condition in (
        {"if-none-match": tag},
        {"if-none-match": f'"other", W/{tag}'},
        {"if-none-match": "*"},
        {"if-modified-since": modified},
    ):
        answer = await client.get("/products/1?w=300&fm=jpeg", headers=condition)
        assert answer.status_code == 304, condition
        assert answer.content == b""
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == first.headers["cache-control"]


async def test_head_is_get_without_the_body(client: httpx.AsyncClient, upload: Upload) -> None:
    await upload(photograph())
    for url in ("/products/1?w=128&fm=jpeg", "/products/1?w=128&fm=jpeg"):
        head, get = await client.head(url, headers=TRACE), await client.get(url, headers=TRACE)
        assert head.content == b""
        volatile = {"server-timing", "cache-status"}
        assert {n: v for n, v in head.headers.items() if n not in volatile} == {
            n: v for n, v in get.headers.items() if n not in volatile
        }
        # HEAD has made it; GET did not make it again.
        assert get.headers["cache-status"] == "comanda-memory; hit"


async def test_a_part_of_a_picture_can_be_asked_for(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(photograph())
    url = "/products/1?w=300&fm=jpeg"
    whole = await client.get(url)
    part = await client.get(url, headers={"range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = await client.get(url, headers={"range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert beyond.json()["type"] == "urn:comanda:problem:no-such-range"
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    changed = await client.get(url, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole.content)


async def test_what_a_browser_needs_to_know_is_on_every_picture(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(photograph())
    answer = await client.get("/products/1?w=64")
    headers = answer.headers
    assert headers["vary"] == "Accept, Save-Data"
    assert headers["cache-tag"] == "product-1"
    assert headers["accept-ranges"] == "bytes"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "set-cookie" not in headers


async def test_who_saves_data_is_given_less_by_the_route_and_by_what_is_ready(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    query = f"w=64&v={(await upload(photograph(64, 48)))['version']}"
    saving = {"accept": "image/webp", "save-data": "on"}
    for _ in range(2):
        for headers in ({"accept": "image/webp"}, saving):
            answer = await client.get(f"/products/1?{query}", headers=headers)
            variant = resolve(
                1, query, accept=headers["accept"], save_data=headers.get("save-data", "")
            )
            assert answer.headers["etag"] == freshness.etag(variant)
            assert answer.headers["vary"] == "Accept, Save-Data"


async def test_an_animation_moves_for_who_asks_for_it_in_a_format_that_can(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    await upload(gif(64, 48, 3))
    moving = {"accept": "image/avif,image/webp,*/*"}
    for query, accept, frames, format_ in (
        ("w=32&anim=1", moving, 3, "WEBP"),
        ("w=32", {"accept": "image/webp"}, 1, "WEBP"),
        ("w=32&anim=0", {"accept": "image/webp"}, 1, "WEBP"),
        ("w=32&anim=1", {"accept": "*/*"}, 1, "JPEG"),
    ):
        picture = opened(await client.get(f"/products/1?{query}", headers=accept))
        assert (getattr(picture, "n_frames", 1), picture.format) == (frames, format_), query
        assert picture.size == (32, 24)


async def test_who_holds_a_key_has_any_size_and_nobody_else_does(
    client: httpx.AsyncClient, upload: Upload, settings: Settings, serve: Serve
) -> None:
    version = (await upload(photograph(640, 480)))["version"]
    secrets = {"new": b"n" * 32, "old": b"o" * 32}
    signed = [
        sign(1, f"w=333&h=77&fm=png&v={version}", KeyRing(secrets, current=name))
        for name in secrets
    ]
    pairs = tuple(f"{name}:{secret.hex()}" for name, secret in secrets.items())
    async with serve(msgspec.structs.replace(settings, picture_keys=pairs)) as keeper:
        for url in signed:
            answer = await keeper.get(url)
            assert opened(answer).size == (333, 77)
            place = f"/v/{answer.headers['etag'].strip(chr(34))}"
            assert (await keeper.get(place)).content == answer.content
            # Of any other size, no longer.
            for forged in (url.replace("w=333", "w=334"), place.replace("w333", "w334")):
                await _is_refused(keeper, forged)
    # Where there are no keys, there is nothing that a signature could be of.
    await _is_refused(client, signed[0])


async def _is_refused(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.get(url)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:comanda:problem:bad-signature"
    assert answer.headers["cache-control"] == "no-store"


async def test_many_who_ask_at_once_cost_one_rendering(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(photograph())
    made: list[str] = []
    make = origin_module.Origin._make

    async def counted(self: origin_module.Origin, variant: Variant, *others: object) -> object:
        made.append(variant.recipe.file_name)
        return await make(self, variant, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(origin_module.Origin, "_make", counted)
    url = "/products/1?w=200&h=96&q=80&fm=jpeg"
    opened_name = "w200_h96_q80.jpeg"
    answers = await asyncio.gather(*(client.get(url) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    # The upload is having its common variants made meanwhile; this is none of them.
    assert [name for name in made if "h96" in name] == [opened_name]


async def test_an_upload_is_judged_and_the_old_picture_stays(
    client: httpx.AsyncClient, upload: Upload, staff: dict[str, str]
) -> None:
    before = await upload(photograph())
    for body, status in (
        (b"", 415),
        (b"not a picture at all", 415),
        (b"%PDF-1.7 " + b"x" * 100, 415),
        (photograph()[:2000], 422),
        (b"\xff\xd8\xff" + b"\0" * 40_000_001, 413),
    ):
        answer = await client.put("/api/products/1/picture", content=body, headers=staff)
        assert answer.status_code == status, (body[:20], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    shown = (await client.get("/api/products?limit=1")).json()["data"][0]["picture"]
    assert f"v={before['version']}" in shown["url"]


async def test_uploads_are_bounded_in_number_and_in_time(
    client: httpx.AsyncClient, staff: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, finish = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"not a picture"
        reading.release()
        await finish.wait()

    async def put() -> int:
        answer = await client.put("/api/products/1/picture", content=slow(), headers=staff)
        return answer.status_code

    async with asyncio.timeout(30):
        taken = [asyncio.create_task(put()) for _ in range(intake_module.MOST_UPLOADS)]
        for _ in taken:
            await reading.acquire()
        refused = await client.put("/api/products/1/picture", content=b"x", headers=staff)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        finish.set()
        assert await asyncio.gather(*taken) == [415] * len(taken)
        finish.clear()
        monkeypatch.setattr(intake_module, "UPLOAD_SECONDS", 0.1)
        assert await put() == 422


async def test_an_upload_whose_sender_leaves_is_no_failure_of_ours(
    client: httpx.AsyncClient, staff: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bff")
    transport = cast("Any", client)._transport
    app = transport.app

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        came = iter([{"type": "http.request", "body": b"\xff\xd8\xff", "more_body": True}])

        async def leave() -> object:
            return next(came, {"type": "http.disconnect"})

        await app(scope, leave, send)

    transport.app = leaving
    answer = await client.put("/api/products/1/picture", content=photograph(64, 64), headers=staff)
    transport.app = app
    assert answer.status_code == 499
    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("INFO", None)]
    # Its place is free again, and nothing was hung.
    assert (await client.get("/products/1?w=64")).status_code == 404


async def test_an_upload_tells_what_a_page_needs_and_prepares_the_common_variants(
    client: httpx.AsyncClient, upload: Upload, staff: dict[str, str]
) -> None:
    answer = await upload(photograph(800, 600))
    assert (answer["width"], answer["height"]) == (800, 600)
    assert str(answer["color"]).startswith("#")
    assert answer["thumbhash"]
    shown = (await client.get("/api/products/1")).json()["picture"]
    # As the menu tells it, so that a page need not ask again.
    assert answer == shown | {"version": answer["version"]}
    progress = await until_prepared(client, staff)
    assert progress["total"] > 20
    ready = await client.get(
        f"/products/1?p=card&v={answer['version']}", headers={"accept": "image/avif"}
    )
    assert ready.headers["content-type"] == "image/avif"
    assert ready.headers["cache-status"] in ("comanda-memory; hit", "comanda-variants; hit")


async def test_a_new_picture_takes_the_old_variants_off_the_shelf(
    client: httpx.AsyncClient, upload: Upload, staff: dict[str, str], shelves: Shelves
) -> None:
    await upload(photograph(800, 600, grain=20))
    await until_prepared(client, staff)
    old = (await client.get("/products/1?w=64&fm=jpeg")).headers["etag"].strip('"')
    assert await shelves.variant(f"v/{old}") is not None
    await upload(photograph(800, 600, grain=90))
    assert await shelves.variant(f"v/{old}") is None


async def test_a_removed_picture_is_missing_for_a_while_only(
    client: httpx.AsyncClient, upload: Upload, staff: dict[str, str]
) -> None:
    await upload(photograph())
    assert (await client.delete("/api/products/1/picture", headers=staff)).status_code == 204
    answer = await client.get("/products/1?w=300")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:comanda:problem:no-picture"
    assert answer.headers["cache-control"] == freshness.MISSING
    assert (await client.get("/products/999999?w=300")).status_code == 404


@pytest.mark.parametrize("replaced", [False, True])
async def test_who_has_a_picture_is_told_at_once_that_it_is_gone_or_another(
    client: httpx.AsyncClient, upload: Upload, staff: dict[str, str], replaced: bool
) -> None:
    path = f"/products/1?w=64&fm=webp&v={(await upload(photograph(64, 48)))['version']}"
    had = {"if-none-match": (await client.get(path)).headers["etag"]}
    assert (await client.get(path, headers=had)).status_code == 304
    if replaced:
        newer = str((await upload(photograph(64, 48, grain=90)))["version"])
        answer = await client.get(path, headers=had)
        assert answer.status_code == 200
        assert newer in answer.headers["etag"]
    else:
        await client.delete("/api/products/1/picture", headers=staff)
        assert (await client.get(path, headers=had)).status_code == 404


async def test_a_placeholder_stands_where_a_product_has_no_picture(
    serve: Serve, settings: Settings, shelves: Shelves, tmp_path: Path
) -> None:
    plate = tmp_path / "plate.svg"
    plate.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    shown = msgspec.structs.replace(settings, picture_placeholder=str(plate))
    async with serve(shown) as client:
        answer = await client.get("/products/1?w=300")
        head = await client.head("/products/1?w=300")
    assert (answer.status_code, answer.content) == (404, plate.read_bytes())
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == freshness.MISSING
    assert answer.headers["cache-tag"] == "product-1"
    assert (head.status_code, head.content) == (404, b"")
    assert head.headers["content-length"] == str(plate.stat().st_size)


@pytest.mark.parametrize(
    ("name", "size"),
    [("plate.txt", 9), ("plate.svg", 0), ("plate.svg", 65_537), ("none.svg", None)],
)
def test_a_placeholder_that_is_none_is_said_at_the_start(
    settings: Settings, tmp_path: Path, name: str, size: int | None
) -> None:
    if size is not None:
        (tmp_path / name).write_bytes(b"x" * size)
    wrong = msgspec.structs.replace(settings, picture_placeholder=str(tmp_path / name))
    with pytest.raises(SettingsError, match=f"COMANDA_PICTURE_PLACEHOLDER: .*{name}"):
        create_app(wrong)


async def test_a_removed_picture_leaves_nothing_behind_and_nothing_more_is_made_of_it(
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    shelves: Shelves,
    hung: Hung,
    seen_to: SeenTo,
) -> None:
    version = str((await upload(photograph()))["version"])
    late = resolve(1, f"w=777&fm=webp&v={version}")
    original = await hung()
    assert (await client.delete("/api/products/1/picture", headers=staff)).status_code == 204
    # Another process was rendering it, and stores it after that.
    await shelves.keep_variant(late, b"late")
    progress = await client.get("/api/products/1/picture/preparation", headers=staff)
    assert progress.status_code == 404
    await seen_to()
    assert await shelves.original(original_key(1, original)) is None
    assert await shelves.original(level_key(1, original, (640, 480))) is None
    assert await shelves.clear(1) == 0


async def test_every_change_of_a_picture_is_purged_by_its_tag(
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    connection: asyncpg.Connection,
    seen_to: SeenTo,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "cdn.purge")
    await upload(photograph(64, 48))
    assert caplog.text.count("purge of product-1 ") == 1
    assert await connection.fetchval(WAITING) == 0
    await client.delete("/api/products/1/picture", headers=staff)
    assert caplog.text.count("purge of product-1 ") == 2
    # What was replaced is looked for once more, when nobody can believe in it.
    await seen_to()
    assert caplog.text.count("purge of product-1 ") == 3

    async def busy(*_: object) -> None:
        raise PurgeError("CloudFront: TooManyInvalidationsInProgress")

    # What was not accepted stays for the relay, and whoever asked is told.
    monkeypatch.setattr(RecordedPurges, "purge", busy)
    removed = await client.delete("/api/products/1/picture", headers=staff)
    assert (removed.status_code, removed.headers["retry-after"]) == (503, "60")
    assert await connection.fetchval(WAITING) == 1


async def test_a_change_that_is_told_of_again_is_purged_once_unless_something_was_left(
    campus: Database, connection: asyncpg.Connection, shelves: Shelves
) -> None:
    body = photograph(64, 48)
    picture = await shelve(shelves, 1, body, facts(body), [])
    catalogue, outbox, purges = Catalogue(campus), Outbox(campus), RecordedPurges()
    await catalogue.hang(1, picture)
    await connection.execute("UPDATE outbox SET delivered_at = now()")
    workers = Workers(Limits(processes=1))
    origin = Origin(catalogue, shelves, workers, Memory(1))
    preparation = Preparation(shelves, origin)
    intake = Intake(catalogue, outbox, shelves, workers, origin, preparation, purges)
    await intake.remove(1)
    await connection.execute("UPDATE outbox SET due_at = now()")
    (event,) = await outbox.take([PICTURE_CHANGED])

    async def causes() -> list[str]:
        purges.made.clear()
        for _ in range(2):
            await intake.see_to(PictureChange.of(event))
        return [made.cause for made in purges.made]

    (first,) = purges.made
    second, again = await causes()
    # The second one is deliberate: a cache may have asked who still believed in it.
    assert first.cause != second == again
    await shelves.keep_variant(resolve(1, f"w=64&fm=webp&v={picture.version}"), b"late")
    late, after = await causes()
    assert late not in (first.cause, second)
    assert after == second


async def test_the_very_same_picture_again_purges_nothing(
    upload: Upload, seen_to: SeenTo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cdn.purge")
    body = photograph(64, 48)
    for _ in range(2):
        await upload(body)
        await seen_to()
    assert caplog.text.count("purge of product-1 ") == 1


async def test_what_a_killed_process_left_is_taken_down_and_prepared_by_the_next(
    settings: Settings,
    shelves: Shelves,
    campus: Database,
    connection: asyncpg.Connection,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "cdn.purge")
    gone = [resolve(1, f"w=64&fm=webp&v={version}") for version in ("0fa11e4", "0fb7a4d")]
    for variant in gone:
        await shelves.keep_variant(variant, b"old")
    body = photograph(64, 48)
    picture = await shelve(shelves, 1, body, facts(body), [])
    await shelves.keep_original(original_key(1, "0fb7a4d.0"), b"old", "image/jpeg")
    # The first one was lost track of earlier; the second hung until this commit.
    old = msgspec.structs.replace(picture, version="0fb7a4d", original="0fb7a4d.0")
    await Catalogue(campus).hang(1, old)
    await connection.execute("UPDATE outbox SET delivered_at = now()")
    await Catalogue(campus).hang(1, picture)
    present = resolve(1, f"w=777&fm=webp&v={picture.version}")
    await shelves.keep_variant(present, b"present")
    await connection.execute("UPDATE outbox SET due_at = now()")
    async with serve(settings) as client, asyncio.timeout(30):
        while await connection.fetchval(WAITING):
            pass
        for variant in gone:
            assert await shelves.variant(variant.key) is None
        assert await shelves.original(original_key(1, "0fb7a4d.0")) is None
        assert await shelves.variant(present.key) == b"present"
        assert "purge of product-1 recorded" in caplog.text
        progress = await until_prepared(client, await bearer(client, "staff1"))
        assert progress["version"] == picture.version


async def test_of_two_hosts_that_render_the_same_the_first_is_kept(shelves: Shelves) -> None:
    variant = resolve(1, "w=64&fm=webp&v=ab12")
    assert await shelves.keep_variant(variant, b"first")
    assert not await shelves.keep_variant(variant, b"second")
    assert await shelves.variant(variant.key) == b"first"


async def test_and_both_go_on_with_the_very_same_bytes(
    client: httpx.AsyncClient,
    upload: Upload,
    shelves: Shelves,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = (await upload(photograph()))["version"]
    path = f"/products/1?w=64&h=48&fm=webp&v={version}"
    variant = resolve(1, path.partition("?")[2])
    keep = Shelves.keep_variant

    async def second(self: Shelves, variant: Variant, body: bytes) -> bool:
        await keep(self, variant, b"first")
        return await keep(self, variant, body)

    monkeypatch.setattr(Shelves, "keep_variant", second)
    own = await client.get(path)
    # Not this one.
    assert own.headers["cache-status"] == "comanda-variants; fwd=miss"
    again = await client.get(path)
    assert own.headers["etag"] == again.headers["etag"]
    assert again.content == await shelves.variant(variant.key) == b"first"


async def test_what_another_process_takes_down_is_given_no_longer_than_it_is_trusted(
    settings: Settings,
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origin_module, "TRUST", 0.0)
    path = f"/products/1?w=64&fm=webp&v={(await upload(photograph()))['version']}"
    assert (await client.get(path)).status_code == 200
    async with serve(settings) as other:
        removed = await other.delete("/api/products/1/picture", headers=staff)
        assert removed.status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_what_may_have_been_taken_down_by_now_is_given_for_nobody_to_keep(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = str((await upload(photograph(64, 48)))["version"])
    ask = Origin.facts

    async def in_a_storm(self: Origin, product_id: int, version: str | None) -> Known:
        return (await ask(self, product_id, version))._replace(sure=False)

    monkeypatch.setattr(Origin, "facts", in_a_storm)
    path = f"/products/1?w=48&h=33&fm=webp&v={version}"
    for _ in range(2):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == freshness.MOMENT
        assert "stored" not in answer.headers["cache-status"]
    known = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (known.status_code, known.headers["cache-control"]) == (304, freshness.MOMENT)
    assert await shelves.variant(resolve(1, path.partition("?")[2]).key) is None


async def test_what_was_being_rendered_when_it_was_removed_is_not_kept(
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = f"/products/1?w=48&fm=png&v={(await upload(photograph(64, 48)))['version']}"
    begun, removed = asyncio.Event(), asyncio.Event()
    fetch = Shelves.original

    async def late(self: Shelves, key: str) -> bytes | None:
        begun.set()
        await removed.wait()
        return await fetch(self, key)

    monkeypatch.setattr(Shelves, "original", late)
    rendering = asyncio.create_task(client.get(path))
    await begun.wait()
    assert (await client.delete("/api/products/1/picture", headers=staff)).status_code == 204
    removed.set()
    await rendering
    assert (await client.get(path)).status_code == 404


async def test_a_store_that_hangs_keeps_nobody_from_what_is_in_memory(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(photograph(64, 48))
    await client.get("/products/1?w=48", headers={"accept": "image/webp"})

    async def hang(self: Shelves, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(Shelves, "variant", hang)
    async with asyncio.timeout(30):
        answer = await client.get("/products/1?w=48", headers={"accept": "image/avif,image/webp"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")


async def test_of_the_same_picture_taken_twice_the_later_original_stays(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, hung: Hung, seen_to: SeenTo
) -> None:
    body = photograph(64, 48)
    originals = []
    for _ in range(2):
        await upload(body)
        originals.append(await hung())
        # Who still believes in the first one can render it for a while.
        assert await shelves.original(original_key(1, originals[0])) == body
    await seen_to()
    assert await shelves.original(original_key(1, originals[0])) is None
    assert await shelves.original(original_key(1, originals[1])) == body
    assert (await client.get("/products/1?w=48&fm=png")).status_code == 200


async def test_an_upload_that_was_broken_off_leaves_its_original_for_a_while_only(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def there() -> set[str]:
        found = {name: await shelves.original(original_key(1, name)) for name in ("ab", "ab.1")}
        return {name for name, body in found.items() if body}

    for key in (original_key(1, "ab"), original_key(1, "ab.1"), level_key(1, "ab", (9, 9))):
        await shelves.keep_original(key, b"kept", "image/jpeg")
    await shelves.discard(1, None, keep=None)
    assert await there() == {"ab", "ab.1"}
    monkeypatch.setattr(shelves_module, "ABANDONED", timedelta(seconds=-5))
    await shelves.discard(1, None, keep="ab")
    assert await there() == {"ab"}
    assert await shelves.original(level_key(1, "ab", (9, 9))) is not None


async def test_an_original_is_discarded_with_its_levels_and_no_other(shelves: Shelves) -> None:
    for key in (original_key(1, "ab"), original_key(1, "ab.1"), level_key(1, "ab", (9, 9))):
        await shelves.keep_original(key, b"kept", "image/jpeg")
    await shelves.discard(1, "ab", keep="ab.1")
    assert await shelves.original(original_key(1, "ab")) is None
    assert await shelves.original(level_key(1, "ab", (9, 9))) is None
    assert await shelves.original(original_key(1, "ab.1")) == b"kept"


async def test_a_damaged_level_is_made_up_for_by_the_original(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, hung: Hung
) -> None:
    await upload(photograph())
    key = level_key(1, await hung(), (640, 480))
    whole = await shelves.original(key)
    assert whole is not None
    await shelves.keep_original(key, whole[:2000], "image/jpeg")
    answer = await client.get("/products/1?w=300&h=77&fm=jpeg")
    assert answer.status_code == 200
    assert opened(answer).size == (300, 96)


async def test_an_original_that_is_lost_is_a_failure_and_not_an_absence(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, hung: Hung
) -> None:
    await upload(photograph())
    await shelves.discard(1, await hung(), keep=None)
    answer = await client.get("/products/1?w=300&h=77&fm=jpeg")
    assert answer.status_code == 503
    assert answer.headers["cache-control"] == "no-store"


async def test_a_variant_that_had_to_wait_is_prepared_all_the_same(
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[str] = []
    make = origin_module.Origin.make

    async def busy(origin: Origin, variant: Variant, facts: PictureFacts) -> None:
        if variant.key not in refused:
            refused.append(variant.key)
            raise OverloadedError("busy", retry_after=1)
        await make(origin, variant, facts)

    monkeypatch.setattr(origin_module.Origin, "make", busy)
    monkeypatch.setattr(preparation_module, "_RETRY_SECONDS", 0.0)
    version = str((await upload(photograph()))["version"])
    progress = await until_prepared(client, staff)
    assert progress["done"] == len(refused)
    ready = await client.get(f"/products/1?w=320&fm=webp&v={version}")
    assert "hit" in ready.headers["cache-status"]


class Hanging:
    """A catalogue in which one picture hangs."""

    def __init__(self, picture: PictureFacts) -> None:
        self._picture = picture

    async def picture(self, product_id: int) -> PictureFacts:
        assert product_id == 1
        return self._picture


async def test_two_processes_that_prepare_the_same_picture_share_the_work(
    shelves: Shelves,
) -> None:
    body = photograph(400, 300)
    picture = await shelve(shelves, 1, body, facts(body), [])
    workers = Workers(Limits(processes=2))
    await workers.start()
    both = [
        Preparation(shelves, Origin(Hanging(picture), shelves, workers, Memory(1)))
        for _ in range(2)
    ]
    for preparation in both:
        await preparation.start(1, picture)
    async with asyncio.timeout(60):
        while (progress := await both[0].progress(1, picture.version)).done < progress.total:
            pass
    for preparation in both:
        await preparation.close()
    made = workers.metrics.done
    await workers.close()
    assert progress.total <= made < 1.5 * progress.total


async def test_what_is_missing_is_purged_by_the_upload_that_brings_it(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/products/1")
    assert answer.status_code == 404
    assert answer.headers["cache-tag"] == "product-1"


@pytest.mark.parametrize(
    "alias", ["/products/%31", "/products/01", "/products/1_0", "//products/1"]
)
async def test_a_picture_has_one_spelling(
    client: httpx.AsyncClient, upload: Upload, alias: str
) -> None:
    await upload(photograph())
    assert (await client.get("/products/1?w=64&fm=webp")).status_code == 200
    assert (await client.get(f"http://comanda.test{alias}?w=64&fm=webp")).status_code == 404


async def test_a_store_that_lies_is_a_store_that_is_away(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, hung: Hung
) -> None:
    await upload(photograph())
    key = original_key(1, await hung())
    for body, media_type in ((b"<h1>Maintenance</h1>", "text/html"), (b"", "image/jpeg")):
        await shelves.keep_original(key, body, media_type)
        answer = await client.get("/products/1?w=2000&fm=png")
        assert answer.status_code == 503
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 4",
        "Content-Type: image/jpeg\r\nContent-Length: 0",
        "Content-Type: image/jpeg\r\nContent-Length: four",
        "Content-Type: image/jpeg\r\nContent-Length: 400",
        "Content-Type: image/jpeg\r\nTransfer-Encoding: chunked",
    ],
)
async def test_a_store_that_speaks_nonsense_is_a_store_that_is_away(lines: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{lines}\r\n\r\nxxxx".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    shelves = Shelves(Store(f"http://{host}:{port}", "eu-west-1", "a", "b", "o", "v"))

    async def ask() -> None:
        with pytest.raises(ShelfError):
            await shelves.variant("v/1/ab12/w64_q80.webp")

    # botocore leaves the sockets of such answers to the garbage collector, which says so.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        async with server:
            await ask()
        shelves.close()
        gc.collect()


@pytest.mark.parametrize(
    ("account", "status"), [("student1", 403), ("staff5", 403), ("admin1", 200), (None, 401)]
)
async def test_only_the_products_counter_and_administrators_change_its_picture(
    client: httpx.AsyncClient, account: str | None, status: int
) -> None:
    headers = await bearer(client, account) if account else {}
    answer = await client.put(
        "/api/products/1/picture", content=photograph(64, 64), headers=headers
    )
    assert answer.status_code == status
    if status != 200:
        removed = await client.delete("/api/products/1/picture", headers=headers)
        assert removed.status_code == status


async def test_nonsense_is_a_problem_that_names_the_parameter(client: httpx.AsyncClient) -> None:
    answer = await client.get("/products/1?w=wide")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    (wrong,) = answer.json()["errors"]
    assert wrong["parameter"] == "w"
    assert "1 to 10000" in wrong["detail"]


async def test_a_damaged_original_is_the_origins_fault_and_is_not_cached(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, connection: asyncpg.Connection
) -> None:
    await shelves.keep_original("products/1/broken", photograph()[:3000], "image/jpeg")
    await connection.execute(
        "UPDATE products SET picture_version = 'broken', picture_original = 'broken',"
        " picture_width = 9, picture_height = 9, picture_uploaded_at = now() WHERE id = 1"
    )
    answer = await client.get("/products/1?w=300")
    assert answer.status_code == 502
    assert answer.headers["cache-control"] == "no-store"


async def test_without_the_store_what_is_in_memory_is_served_and_the_rest_is_unavailable(
    settings: Settings, shelves: Shelves, serve: Serve
) -> None:
    endpoint = httpx.URL(str(settings.s3_endpoint))
    proxy = Proxy(endpoint.host, int(endpoint.port or 80))
    await proxy.up()
    behind_it = msgspec.structs.replace(settings, s3_endpoint=f"http://127.0.0.1:{proxy.port}")
    async with serve(behind_it) as client:
        body = photograph()
        staff = await bearer(client, "staff1")
        assert (
            await client.put("/api/products/1/picture", content=body, headers=staff)
        ).status_code == 200
        kept = await client.get("/products/1?w=300&fm=jpeg")
        shown = await client.get("/products/1?w=300&h=33&fm=jpeg")
        await until_prepared(client, staff)
        await proxy.down()
        again = await client.get("/products/1?w=300&fm=jpeg")
        assert (again.status_code, again.content) == (200, kept.content)
        browser = {"accept": "image/avif,image/jpeg"}
        stand_in = await client.get("/products/1?w=300&h=33", headers=browser)
        assert (stand_in.status_code, stand_in.content) == (200, shown.content)
        cold = await client.get("/products/1?w=301&h=77&fm=jpeg")
        assert cold.status_code == 503
        assert int(cold.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in cold.text
        upload = await client.put("/api/products/1/picture", content=photograph(), headers=staff)
        assert upload.status_code == 503
        await proxy.up()
        assert (await client.get("/products/1?w=301&h=77&fm=jpeg")).status_code == 200
        # The failed upload changed nothing.
        assert (await client.get("/products/1?w=300&fm=jpeg")).content == kept.content
    await proxy.down()


async def test_the_second_process_finds_what_the_first_has_stored(
    settings: Settings,
    client: httpx.AsyncClient,
    upload: Upload,
    staff: dict[str, str],
    serve: Serve,
) -> None:
    version = (await upload(photograph()))["version"]
    first = await client.get("/products/1?w=320&fm=webp")
    async with serve(settings) as other:
        second = await other.get("/products/1?w=320&fm=webp")
        preparation = await other.get("/api/products/1/picture/preparation", headers=staff)
    assert preparation.json()["version"] == version
    assert preparation.json()["done"] >= 1
    assert second.headers["cache-status"] == "comanda-variants; hit"
    assert second.content == first.content


async def test_a_shelf_that_takes_nothing_is_said_to_have_stored_nothing(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(photograph(64, 48))

    async def full(*_: object) -> bool:
        raise ShelfError("there is no room")

    monkeypatch.setattr(Shelves, "keep_variant", full)
    answer = await client.get("/products/1?w=48&h=33&fm=jpeg")
    assert answer.status_code == 200
    assert answer.headers["cache-status"] == "comanda-variants; fwd=miss"


async def test_an_answer_does_not_wait_for_a_slow_shelf(
    client: httpx.AsyncClient, upload: Upload, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = (await upload(photograph(400, 300)))["version"]
    variant = resolve(1, f"w=300&h=77&fm=jpeg&v={version}")
    may_store = asyncio.Event()
    keep = Shelves.keep_variant

    async def slow(self: Shelves, variant: Variant, body: bytes) -> bool:
        await may_store.wait()
        return await keep(self, variant, body)

    monkeypatch.setattr(Shelves, "keep_variant", slow)
    async with asyncio.timeout(30):
        answer = await client.get("/products/1?w=300&h=77&fm=jpeg")
        assert answer.status_code == 200
        assert answer.headers["cache-status"] == "comanda-variants; fwd=miss"
        assert await shelves.variant(variant.key) is None
        may_store.set()
        while await shelves.variant(variant.key) != answer.content:
            pass
