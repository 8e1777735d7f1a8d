"""What kustomize makes of an overlay, and how it is looked through."""

import functools
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from infra.kubernetes import render

SERVERS: Final = ("comanda-api", "comanda-pictures", "comanda-relay")

Manifest = dict[str, Any]


def rendered(overlay: str) -> str:
    """All of an overlay, as YAML; where nothing renders it, the test is skipped."""
    text = render.rendered(overlay)
    if text is None:
        pytest.skip("no kustomize and no kubectl: make infra-test fetches one")
    return text


class Manifests:
    """The objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.all: list[Manifest] = [
            msgspec.yaml.decode(part) for part in text.split("\n---\n") if part.strip()
        ]

    def of(self, kind: str) -> list[Manifest]:
        """Those of a kind."""
        return [each for each in self.all if each["kind"] == kind]

    def one(self, kind: str, name: str = "comanda") -> Manifest:
        """The one of that name."""
        (found,) = [each for each in self.of(kind) if name_of(each) == name]
        return found

    def servers(self) -> Iterator[Manifest]:
        """The workloads that stay."""
        yield from (*self.of("Rollout"), *self.of("Deployment"))

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Whose it is, and the template, of everything that runs."""
        for each in (*self.servers(), *self.of("Job")):
            yield name_of(each), each["spec"]["template"]
        for each in self.of("CronJob"):
            yield name_of(each), each["spec"]["jobTemplate"]["spec"]["template"]

    def settings(self) -> dict[str, str]:
        """What all are told, by the ConfigMap."""
        (found,) = self.of("ConfigMap")
        return dict(found["data"])


@functools.cache
def manifests(overlay: str) -> Manifests:
    """All of an overlay, to be looked at only."""
    return Manifests(rendered(overlay))


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def container(template: Manifest) -> Manifest:
    """The only one there is."""
    (found,) = template["spec"]["containers"]
    return dict(found)


def own(template: Manifest) -> dict[str, str]:
    """What a pod is told beside the ConfigMap."""
    return {each["name"]: each["value"] for each in container(template).get("env", [])}


def fits(selector: Manifest, template: Manifest) -> bool:
    """Whether a selector takes such a pod."""
    labels: Manifest = template["metadata"]["labels"]
    return selector.items() <= labels.items()


def seconds(duration: str) -> int:
    """Of `2h`, `30m`, `5s`."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
