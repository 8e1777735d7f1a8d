"""Every object is one that the cluster takes: no field is misspelt, or of another type."""

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.infra.kubernetes.manifests import Manifest, Manifests, rendered
from tests.infra.tools import npm_tools, python_tool

pytestmark = [pytest.mark.infra, pytest.mark.xdist_group("schemas")]

# Of the cluster that infra/terraform makes.
KUBERNETES: Final = "1.33"
CRDS: Final = Path(__file__).with_name("crds")
PACKAGES: Final = {
    "argoproj.io": "argo-rollouts",
    "external-secrets.io": "external-secrets",
    "monitoring.coreos.com": "prometheus-operator",
}
MUTATIONS: Final = (
    ("readOnlyRootFilesystem", "readonlyRootFilesystem"),
    ("terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 90s"),
    ("containerPort", "containerport"),
    ("unhealthyPodEvictionPolicy", "unhealthyPodEviction"),
    ("averageUtilization: 70", "averageUtilization: 70%"),
    ("podSelector: {}", "podSelectors: {}"),
    ("maxReplicas: 20", "maximumReplicas: 20"),
    ("timeZone: Etc/UTC", "timezone: Etc/UTC"),
    ("setWeight: 5\n", "setWeight: 5%\n"),
    ("stickinessConfig", "stickyConfig"),
    ("failureLimit", "failuresLimit"),
    ("templateName", "template"),
    ("podMetricsEndpoints", "podMetricEndpoints"),
    ("secretKey: tokenSecret", "secretKeyName: tokenSecret"),
    ("service: SecretsManager", "service: SecretManager"),
)


def group(manifest: Manifest) -> str:
    return str(manifest["apiVersion"]).partition("/")[0]


def as_deployment(manifest: Manifest) -> Manifest:
    """What of a Rollout is a Deployment's: its pods are looked at by the core's own schema."""
    if manifest["kind"] != "Rollout":
        return manifest
    spec = {name: manifest["spec"][name] for name in ("selector", "template")}
    return manifest | {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def core_errors(texts: dict[str, str], directory: Path) -> dict[str, str]:
    """Of each text what kubernetes-validate finds wrong with its core kinds."""
    program = python_tool("kubernetes-validate")
    found = {}
    for name, text in texts.items():
        core = [
            each for each in map(as_deployment, Manifests(text).all) if group(each) not in PACKAGES
        ]
        path = directory / f"{name}.yaml"
        path.write_bytes(b"---\n".join(map(msgspec.yaml.encode, core)))
        judged = subprocess.run(
            [str(program), "--strict", "-k", KUBERNETES, str(path)], capture_output=True, text=True
        )
        # A kind that it does not know is a warning only.
        clean = judged.returncode == 0 and "WARN" not in judged.stdout + judged.stderr
        found[name] = "" if clean else judged.stdout + judged.stderr
    return found


def custom_errors(texts: dict[str, str]) -> dict[str, str]:
    """Of each text what the TypeScript compiler says of its custom resources, as literals of the
    types that are made of their definitions: what such a literal has too much is an error."""
    home = npm_tools("crds", CRDS)
    sources = home / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir()
    for name, text in texts.items():
        lines = []
        for number, each in enumerate(Manifests(text).all):
            if (package := PACKAGES.get(group(each))) is not None:
                kind, place = each["kind"], f"{package}/{each['apiVersion']}"
                lines += [
                    f'import type {{ I{kind} as I{number} }} from "@kubernetes-models/{place}";',
                    f"export const object{number}: I{number} = {json.dumps(each)};",
                ]
        (sources / f"{name}.ts").write_text("\n".join(lines))
    compiler = home / "node_modules" / "typescript" / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "preserve"]
    judged = subprocess.run(
        [
            shutil.which("node") or "node",
            str(compiler),
            *options,
            *map(str, sorted(sources.glob("*.ts"))),
        ],
        cwd=home,
        capture_output=True,
        text=True,
    )
    lines = judged.stdout.splitlines()
    assert all("/" in line or line.startswith(" ") for line in lines), judged.stdout
    return {
        name: "\n".join(line for line in lines if line.startswith(f"sources/{name}.ts"))
        for name in texts
    }


@functools.cache
def _mutated() -> dict[str, str]:
    text = rendered("production")
    assert all(said in text for said, _ in MUTATIONS)
    return {
        f"mutation{number}": text.replace(said, instead)
        for number, (said, instead) in enumerate(MUTATIONS)
    }


def test_every_object_is_one_that_the_cluster_takes(tmp_path: Path) -> None:
    texts = {name: rendered(name) for name in ("production", "staging")}
    assert {name: error for name, error in core_errors(texts, tmp_path).items() if error} == {}
    assert {name: error for name, error in custom_errors(texts).items() if error} == {}


def test_a_field_that_is_misspelt_or_of_another_type_is_found(tmp_path: Path) -> None:
    core, custom = core_errors(_mutated(), tmp_path), custom_errors(_mutated())
    missed = [
        mutation
        for mutation, name in zip(MUTATIONS, _mutated(), strict=True)
        if not (core[name] or custom[name])
    ]
    assert missed == []
