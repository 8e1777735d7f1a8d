"""The manifests as they are rendered: what an operator would ask of them, and that it is asked."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bff.operations.tracing import COLLECTORS
from infra.kubernetes import render
from tests.infra.kubernetes.manifests import Manifests, manifests, rendered
from tests.infra.kubernetes.policies import POLICIES, Policy

# What a hand may do to the manifests, and the policy that says no.
MUTATIONS = (
    ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "pods_may_do_nothing"),
    ("runAsNonRoot: true", "runAsNonRoot: false", "pods_may_do_nothing"),
    ("automountServiceAccountToken: false", "automountServiceAccountToken: true", "pods_may_do"),
    ("drop:\n", "add:\n", "pods_may_do_nothing"),
    ("memory: 1Gi", "memory: 4Gi", "pods_are_bounded"),
    ("          sizeLimit: 256Mi\n", "          medium: Memory\n", "pods_are_bounded"),
    (f"@sha256:{'0' * 64}", ":latest", "images_are_by_digest"),
    ("path: /ready", "path: /health", "servers_are_looked_after"),
    ("terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 30", "who_leaves"),
    ('COMANDA_DRAIN_SECONDS: "20"', 'COMANDA_DRAIN_SECONDS: "4"', "who_leaves"),
    ("whenUnsatisfiable: DoNotSchedule", "whenUnsatisfiable: ScheduleAnyway", "pods_are_spread"),
    ("- rollouts-pod-template-hash\n        maxSkew", "- hash\n        maxSkew", "pods_are_spread"),
    ("maxUnavailable: 1", "maxUnavailable: 2", "a_node_that_is_emptied"),
    ("maxUnavailable: 0", "maxUnavailable: 1", "a_new_version_takes"),
    ("  revisionHistoryLimit: 5\n  selector", "  replicas: 5\n  selector", "pools_grow"),
    ("averageUtilization: 70", "averageUtilization: 90", "pools_grow"),
    ("minReplicas: 5", "minReplicas: 1", "pools_grow"),
    ("        except:\n        - 169.254.169.254/32\n", "", "the_world_is_reached"),
    ("  name: nobody\n", "  name: somebody\n", "networks_are_closed"),
    ("COMANDA_HOSTS", "COMANDA_HOST", "settings_are_the_applications"),
    ("sslmode=require", "sslmode=prefer", "settings_are_the_applications"),
    ('COMANDA_REDIS_CLUSTER: "true"', 'COMANDA_REDIS_CLUSTER: "perhaps"', "settings_are"),
    ("{{ .redisPassword }}", "{{ .redisWord }}", "secrets_are_what"),
    ('name: COMANDA_CHORES\n          value: "true"', 'name: X\n          value: ""', "each_pool"),
    ("- migrate\n", "- upgrade\n", "each_pool_has_its_work"),
    ("- rehearse\n", "- pretend\n", "each_pool_has_its_work"),
    ("serviceAccountName: comanda-drill", "serviceAccountName: comanda", "pods_may_do"),
    ("0 4 1,15,29 * *", "0 4 1,15 * *", "the_drill_takes_place"),
    (
        "  - name: http\n    port: 80\n    targetPort: http",
        "  - port: 80\n    targetPort: web",
        "services_have",
    ),
    ("name: use-annotation", "name: http", "addresses_find"),
    ("scheme: internal", "scheme: internet-facing", "the_balancer_is_inside"),
    ("duration: 2h", "duration: 2m", "a_canary_is_watched"),
    ("result[0] > 0.01", "result[0] > 0.1", "a_canary_is_judged"),
    (">= 200", ">= 0", "a_canary_is_judged"),
    ("- rollouts-pod-template-hash\n  selector", "- hash\n  selector", "figures_are_gathered"),
    ('sync-wave: "-1"', 'sync-wave: "1"', "the_schema_comes_before"),
)


@pytest.mark.parametrize("overlay", ["production", "staging"])
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_manifests_keep_to_the_policy(policy: Policy, overlay: str) -> None:
    assert list(policy(manifests(overlay))) == []


@pytest.mark.parametrize(("said", "instead", "policy"), MUTATIONS)
def test_a_change_for_the_worse_is_found(said: str, instead: str, policy: str) -> None:
    text = rendered("production")
    assert said in text
    worse = Manifests(text.replace(said, instead))
    (judge,) = [each for each in POLICIES if each.__name__.startswith(policy)]
    assert _found_by(judge, worse)


def test_an_overlay_has_traces_by_naming_their_component(tmp_path: Path) -> None:
    infra = os.path.relpath(render.OVERLAYS.parent, tmp_path.resolve())
    lines = [
        f"resources: [{infra}/overlays/production]",
        f"components: [{infra}/components/traces]",
    ]
    (tmp_path / "kustomization.yaml").write_text("\n".join(lines), encoding="utf-8")
    made, before = Manifests(rendered(str(tmp_path.resolve()))), manifests("production")
    told = dict(made.settings().items() - before.settings().items())
    assert made.settings().items() >= before.settings().items()
    assert told.keys() == {COLLECTORS[0], "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}
    spec = made.one("NetworkPolicy", "comanda-traces")["spec"]
    ports = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
    assert ports == {urlsplit(told[COLLECTORS[0]]).port}
    assert spec["podSelector"] == made.one("NetworkPolicy")["spec"]["podSelector"]


def _found_by(policy: Policy, made: Manifests) -> bool:
    try:
        return bool(list(policy(made)))
    except (KeyError, ValueError):
        # It looked for what is not there any more.
        return True
