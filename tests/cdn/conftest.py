"""The two that have to agree: the application's address, and the edge function in an engine."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdn.address import KeyRing, ParameterError, SignatureError, parse, product_in, resolve
from cdn.edge.build import FUNCTION
from infra.edge.nginx import EVENT
from infra.local import debian

Vector = dict[str, Any]
Answer = dict[str, Any]

RUNNER = Path(__file__).with_name("edge_runner.js")


@pytest.fixture(scope="session")
def secret() -> bytes:
    """The secret of the key `k1`."""
    return b"a secret of thirty-two bytes or so"


@pytest.fixture(scope="session")
def keys(secret: bytes) -> KeyRing:
    return KeyRing({"k1": secret}, current="k1")


@pytest.fixture(scope="session")
def application(keys: KeyRing) -> Callable[[Vector], Answer]:
    """What the application makes of a request: its path, or None for one that is not a
    picture's, or what is refused."""

    def answer(vector: Vector) -> Answer:
        product_id = product_in(vector["uri"])
        if product_id is None or vector["method"] not in {"GET", "HEAD"}:
            return {"path": None}
        headers = {name: ",".join(lines) for name, lines in vector["headers"].items()}
        try:
            variant = resolve(
                product_id,
                vector["query"],
                accept=headers.get("accept", ""),
                save_data=headers.get("save-data", ""),
                keys=keys,
            )
        except ParameterError as error:
            return {"parameter": error.parameter, "detail": str(error)}
        except SignatureError:
            return {"forged": True}
        assert parse(variant.path, keys) == variant
        return {"path": variant.path}

    return answer


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The edge function as it is uploaded, and what feeds it."""
    script = tmp_path_factory.mktemp("edge") / "edge.js"
    script.write_text("".join(part.read_text() for part in (FUNCTION, EVENT, RUNNER)))
    return script


@pytest.fixture(scope="session")
def edge(script: Path) -> Iterator[Callable[[list[Vector]], list[Answer]]]:
    """The edge function in one Node.js process, in the words of `application`."""
    process = subprocess.Popen(
        [_installed("node"), str(script), "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    requests, replies = process.stdin, process.stdout
    assert requests is not None
    assert replies is not None

    def answers(asked: list[Vector]) -> list[Answer]:
        requests.write(json.dumps(asked) + "\n")
        requests.flush()
        return [_as_told(answer) for answer in json.loads(replies.readline())]

    with process:
        yield answers
        requests.close()


@pytest.fixture(scope="session")
def njs(script: Path) -> Callable[[list[Vector]], list[Answer]]:
    """The same in njs, which CloudFront's own runtime is closest to."""
    unpacked = debian.program("njs", "njs")
    program = str(unpacked or _installed("njs"))

    def answers(asked: list[Vector]) -> list[Answer]:
        # A file, for njs reads no pipe.
        requests = script.with_name("requests.json")
        requests.write_text(json.dumps(asked))
        with requests.open() as standard_input:
            ran = subprocess.run(
                [program, str(script)], stdin=standard_input, capture_output=True, text=True
            )
        assert ran.returncode == 0, ran.stderr
        return [_as_told(json.loads(line)) for line in ran.stdout.splitlines()]

    return answers


def _installed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed, so the edge function was not run by it")
    return found


def _as_told(answer: Answer) -> Answer:
    if "problem" not in answer:
        # What is rewritten loses its query and its cookies, which are no part of the cache key.
        assert answer["bare"] is not answer["untouched"]
        return {"path": None if answer["untouched"] else answer["path"]}
    problem = answer["problem"]
    (error,) = problem["errors"]
    assert problem == {
        "type": "urn:comanda:problem:invalid-parameter",
        "title": "A parameter is wrong",
        "status": 400,
        "detail": error["detail"],
        "errors": [error],
    }
    assert (answer["status"], answer["type"]) == (400, "application/problem+json")
    assert answer["length"] < 1000
    return {"parameter": error["parameter"], "detail": error["detail"]}
