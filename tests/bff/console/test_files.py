"""The console's files: what is sent of them, and where those come from that are not ours."""

import re
from pathlib import Path
from typing import Final

import httpx

from tests.bff.realtime.clients import HOME, installed

CONSOLE: Final = Path("bff/console")
VENDORED: Final = "socket.io-client/socket.io.esm.min.js"


async def test_files_are_coded_and_a_browser_that_has_them_is_sent_none(
    client: httpx.AsyncClient,
) -> None:
    url = f"/console/{VENDORED}"
    whole = await client.get(url, headers={"accept-encoding": "identity"})
    coded = await client.get(url, headers={"accept-encoding": "gzip, br"})
    assert coded.headers["content-encoding"] == "br"
    assert coded.content == whole.content == (CONSOLE / VENDORED).read_bytes()
    assert int(coded.headers["content-length"]) < len(whole.content) / 2
    again = await client.get(
        url, headers={"accept-encoding": "gzip, br", "if-none-match": coded.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


async def test_the_page_runs_nothing_but_its_files(client: httpx.AsyncClient) -> None:
    for path in ("/console", "/console/main.js"):
        policy = (await client.get(path)).headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy


def test_every_module_is_asked_for_at_once() -> None:
    modules = {f"/{each.relative_to('bff').as_posix()}" for each in CONSOLE.rglob("*.js")}
    page = (CONSOLE / "index.html").read_text()
    assert set(re.findall(r'(?:href|src)="(/console/.+?\.js)"', page)) == modules


def test_the_client_of_the_socket_is_what_npm_has() -> None:
    installed()
    published = HOME / "node_modules/socket.io-client/dist/socket.io.esm.min.js"
    code, _, _ = published.read_bytes().rpartition(b"//# sourceMappingURL=")
    assert (CONSOLE / VENDORED).read_bytes().rstrip() == code.rstrip()


def test_both_languages_say_everything() -> None:
    words = [(CONSOLE / "words" / f"{each}.js").read_text() for each in ("es", "en")]
    spanish, english = (set(re.findall(r'^  "(.+?)": "', each, re.MULTILINE)) for each in words)
    assert spanish == english
    used = {
        key
        for module in CONSOLE.glob("*.js")
        for key in re.findall(r'\bt\("(.+?)"', module.read_text())
    }
    assert used <= spanish
