"""Whatever is asked, the application and the edge function answer the same."""

from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdn.address import KeyRing, ParameterError, sign
from cdn.ladder import LADDER
from cdn.parameters import NAMES

Vector = dict[str, Any]
Answer = dict[str, Any]

BATCHES = 25
BATCH = 200
PARTS = 40
FRUGAL: tuple[list[str], ...] = ([], ["on"], ["off"], ["off", "on"])

# What a value can be made of: the right thing, the nearly right, and any characters at all.
numbers = st.integers(-2, 10_050).map(str)
fractions = st.decimals(-1, 5, places=4, allow_nan=False).map(str)
words = st.sampled_from(
    [
        *("auto", "avif", "webp", "jpeg", "png", "current", "on", "", "fff", "19801a", "FA0000"),
        *("__proto__", "constructor", "toString", *LADDER.fits, *LADDER.gravities),
        *LADDER.presets,
    ]
)
characters = st.text("0159.,%-+_ =?;/\\\"'abcdefABCDEFnswx2Cé٣\x7f", max_size=12)
shares = st.decimals(0, 1, places=3).map(str)
points = st.builds("{},{}".format, shares, shares)
versions = st.text("abAB019_-", min_size=1, max_size=66)
values = st.one_of(numbers, fractions, words, characters, points, versions)


def escaped(text: str, which: set[int]) -> str:
    return "".join(
        f"%{ord(each):02{'x' if at % 2 else 'X'}}" if at in which and each.isascii() else each
        for at, each in enumerate(text)
    )


likely = {
    "p": st.sampled_from([*LADDER.presets]),
    "v": versions,
    "dpr": st.decimals(1, 4, places=3).map(str),
    "w": st.integers(1, 10_000).map(str),
    "h": st.integers(1, 2500).map(str),
    "q": st.one_of(st.just("auto"), st.integers(1, 100).map(str)),
    "fit": st.sampled_from(LADDER.fits),
    "g": st.one_of(points, st.sampled_from([*LADDER.gravities])),
    "bg": st.integers(0, 0xFFFFFF).map("{:06x}".format),
    "fm": st.sampled_from(["auto", "avif", "webp", "jpeg", "png"]),
    "anim": st.sampled_from(["0", "1"]),
    "s": st.just("k1." + "A" * 43),
}
strange_names = st.sampled_from(
    ["", "W", "w%20", "%77", "__proto__", "constructor", "hasOwnProperty", "s ", "utm_source"]
)


@st.composite
def pairs(draw: st.DrawFn) -> str:
    usual = draw(st.integers(0, 9)) < 8
    name = draw(st.sampled_from(NAMES) if usual else strange_names)
    value = draw(likely[name] if name in likely and draw(st.integers(0, 9)) < 9 else values)
    spelt = escaped(value, draw(st.sets(st.integers(0, 11), max_size=2)))
    # As it can stand in a URL: no blanks, and nothing that would begin another pair.
    return f"{name}={spelt.replace(' ', '%20')}" if value or draw(st.booleans()) else name


ranges = st.sampled_from(
    [
        *("image/avif", "image/webp", "image/jpeg", "image/*", "*/*", "IMAGE/WEBP", "image/png"),
        *("image/avif-sequence", "__proto__", "", "image/*,image/webp;q=0"),
    ]
)
weights = st.sampled_from(
    ["", ";q=1", ";q=0", ";q=0.5", " ; Q=0.501 ", ";q=1.001", ";q=", ";q=0.0001", ";q=2", ";v=1"]
)
accepts = st.lists(
    st.lists(st.builds("{}{}".format, ranges, weights), min_size=1, max_size=5).map(",".join),
    max_size=2,
)


@st.composite
def batches(draw: st.DrawFn) -> list[Vector]:
    """Requests put together, by chance, of what is drawn once for them all: drawing is what
    takes the time."""
    parts = draw(st.lists(pairs(), min_size=PARTS, max_size=PARTS))
    accepted = draw(st.lists(accepts, min_size=PARTS, max_size=PARTS))
    random = draw(st.integers(0, 2**32).map(Random))
    return [_request(random, parts, accepted) for _ in range(BATCH)]


def _request(random: Random, parts: list[str], accepted: list[list[str]]) -> Vector:
    headers = {"accept": random.choice(accepted), "save-data": random.choice(FRUGAL)}
    ours = random.random() < 0.9
    return {
        "method": random.choice(["GET", "HEAD"] if ours else ["POST", "PUT"]),
        "uri": random.choice(["/products/42", "/products/9007199254740993"]),
        "query": "&".join(random.choices(parts, k=random.randint(1, 7))),
        "headers": {name: lines for name, lines in headers.items() if lines},
        "signed": random.random() < 0.2,
    }


def _signed(request: Vector, keys: KeyRing) -> Vector:
    """The same request with a signature that is right, if it can be signed at all."""
    try:
        url = sign(int(request["uri"].rpartition("/")[2]), request["query"], keys)
    except (ParameterError, ValueError):
        return request
    return request | {"query": url.partition("?")[2]}


@settings(
    max_examples=BATCHES,
    deadline=None,
    # The message shows the one request that differs; a whole batch is slow to shrink.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(batches())
def test_two_languages_answer_every_url_alike(
    application: Callable[[Vector], Answer],
    edge: Callable[[list[Vector]], list[Answer]],
    keys: KeyRing,
    batch: list[Vector],
) -> None:
    batch = [_signed(each, keys) if each["signed"] else each for each in batch]
    for asked, at_the_edge in zip(batch, edge(batch), strict=True):
        answer = application(asked)
        if "forged" in answer:
            # The edge has no key: it passes a signature on, for the origin to judge.
            assert at_the_edge["path"].count("/") == 5
        else:
            assert at_the_edge == answer, asked
