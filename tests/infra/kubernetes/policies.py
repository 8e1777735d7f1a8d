"""What no schema asks of manifests: each policy tells what is against it."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from click import Group

from bff import serve
from bff.cli import main
from bff.operations.figures import BUCKETS
from bff.realtime.engine import Limits
from bff.settings import PREFIX, SettingsError, described, from_environment
from infra.edge.nginx import DISTRIBUTION
from tests.infra.kubernetes.manifests import (
    SERVERS,
    Manifest,
    Manifests,
    container,
    fits,
    name_of,
    own,
    seconds,
)

Policy = Callable[[Manifests], Iterator[str]]

DRILL: Final = "comanda-drill"
# Between two drills, as infra/recovery promises (docs/recovery.md).
MOST_DAYS: Final = 14
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
_SECRETS: Final = {"TOKEN_SECRET", "PICTURE_KEYS", "DATABASE_URL", "REPLICA_URLS", "REDIS_URL"}
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104
_ALB: Final = "alb.ingress.kubernetes.io/"
_WORLD: Final = "0.0.0.0/0"
_WAVE: Final = "argocd.argoproj.io/sync-wave"
# As External Secrets fills them in.
_SAMPLES: Final = {
    "tokenSecret": "0" * 64,
    "pictureKeys": f"k1:{'0' * 64}",
    "databaseUsername": "comanda_app",
    "databasePassword": "word",
    "redisPassword": "word",
}
# Lunch at the demo campus; less is a hobby.
_MANY: Final = {"comanda-api": (5, 20), "comanda-pictures": (2, 10)}
_STEPS: Final = [
    {"setWeight": 5},
    {"pause": {"duration": "2h"}},
    {"setWeight": 25},
    {"pause": {"duration": "30m"}},
    {"setWeight": 50},
    {"pause": {"duration": "30m"}},
    {"setWeight": 100},
]


def everything_agreed_upon_is_there(made: Manifests) -> Iterator[str]:
    """Names that Terraform and people rely on, and no secret among them."""
    if {name_of(each) for each in made.servers()} != set(SERVERS):
        yield "the pools are others"
    for each in made.all:
        if each["kind"] == "Secret":
            yield "a secret is in the manifests"
        elif each["kind"] in ("Namespace", "PriorityClass"):
            continue
        elif each["metadata"].get("namespace") != "comanda":
            yield f"{each['kind']} {name_of(each)} is in another namespace"
    labels = made.one("Namespace")["metadata"]["labels"]
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace takes any pod"


def pods_may_do_nothing_but_serve(made: Manifests) -> Iterator[str]:
    """Pod Security Standards, restricted, and a root that cannot be written to."""
    for name, template in made.pods():
        spec, security = template["spec"], container(template)["securityContext"]
        around = spec["securityContext"]
        if not around.get("runAsNonRoot") or not around.get("runAsUser"):
            yield f"{name} may be root"
        if around.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} may call anything"
        if security != {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }:
            yield f"{name} may do more than it needs"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} may ask the cluster"
        if any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name} is in the host"
        if any("hostPath" in each for each in spec.get("volumes", [])):
            yield f"{name} sees the host's files"
        # Who makes databases and deletes them serves nobody.
        if spec["serviceAccountName"] != (name if name == DRILL else "comanda"):
            yield f"{name} is somebody else"


def pods_are_bounded(made: Manifests) -> Iterator[str]:
    """Requests of all, limits of memory and disk; and none of the CPU, which only makes late."""
    for name, template in made.pods():
        resources = container(template)["resources"]
        if set(resources["requests"]) != {"cpu", "memory", "ephemeral-storage"}:
            yield f"{name} does not say what it needs"
        if set(resources["limits"]) != {"memory", "ephemeral-storage"}:
            yield f"{name} has other limits"
        for each in template["spec"].get("volumes", []):
            if "sizeLimit" not in each.get("emptyDir", {"sizeLimit": ""}):
                yield f"{name} may fill the node's disk"
    api = container(made.one("Rollout", "comanda-api")["spec"]["template"])["resources"]
    if (api["requests"]["cpu"], api["requests"]["memory"]) != ("500m", "512Mi"):
        yield "the API asks for something else"
    if api["limits"]["memory"] != "1Gi":
        yield "the API has another limit"


def images_are_by_digest(made: Manifests) -> Iterator[str]:
    """One image, and nobody can put another one in its place."""
    images = {container(template)["image"] for _, template in made.pods()}
    if len(images) != 1:
        yield f"there are {len(images)} images"
    for each in images:
        if not _DIGEST.search(each):
            yield f"{each} is by a name that moves"


def servers_are_looked_after(made: Manifests) -> Iterator[str]:
    """Ready is more than alive; and a start has its own patience."""
    for each in made.servers():
        told = container(each["spec"]["template"])
        paths = {
            probe: told.get(f"{probe}Probe", {}).get("httpGet", {}).get("path")
            for probe in ("startup", "liveness", "readiness")
        }
        if paths != {"startup": "/health", "liveness": "/health", "readiness": "/ready"}:
            yield f"{name_of(each)} is asked {paths}"


def who_leaves_has_the_time_to(made: Manifests) -> Iterator[str]:
    """preStop, the drain, sockets, what came: all before SIGKILL, and after the balancer knows."""
    drain = float(made.settings()["COMANDA_DRAIN_SECONDS"])
    ingress = made.one("Ingress")["metadata"]["annotations"]
    looks = int(ingress[f"{_ALB}healthcheck-interval-seconds"])
    looks *= int(ingress[f"{_ALB}unhealthy-threshold-count"])
    attributes = dict(
        each.split("=") for each in ingress[f"{_ALB}target-group-attributes"].split(",")
    )
    for each in made.servers():
        spec = each["spec"]["template"]["spec"]
        before = container(each["spec"]["template"])["lifecycle"]["preStop"]["sleep"]["seconds"]
        takes = before + drain + Limits().drain + serve._GRACE_SECONDS
        grace = spec.get("terminationGracePeriodSeconds", 30)
        if grace <= takes:
            yield f"{name_of(each)} needs {takes:.0f} s and is given {grace}"
        if before + drain <= looks:
            yield f"{name_of(each)} is gone before the balancer knows"
        if grace <= int(attributes["deregistration_delay.timeout_seconds"]):
            yield f"{name_of(each)} is gone while the balancer still has requests for it"


def pods_are_spread(made: Manifests) -> Iterator[str]:
    """A zone that is lost takes a part of each pool, and of each version."""
    for each in made.servers():
        template = each["spec"]["template"]
        zones = [
            rule
            for rule in template["spec"].get("topologySpreadConstraints", [])
            if rule["topologyKey"] == "topology.kubernetes.io/zone"
            and rule["whenUnsatisfiable"] == "DoNotSchedule"
            and fits(rule["labelSelector"]["matchLabels"], template)
        ]
        wanted = "rollouts-" if each["kind"] == "Rollout" else ""
        if [rule.get("matchLabelKeys") for rule in zones] != [[f"{wanted}pod-template-hash"]]:
            yield f"{name_of(each)} may be all in one zone"
        affinity = template["spec"].get("affinity", {}).get("podAntiAffinity")
        if not affinity:
            yield f"{name_of(each)} may be all on one node"


def a_node_that_is_emptied_takes_one_at_a_time(made: Manifests) -> Iterator[str]:
    """And one that is not well does not hold it up."""
    for each in made.servers():
        budgets = [
            budget["spec"]
            for budget in made.of("PodDisruptionBudget")
            if fits(budget["spec"]["selector"]["matchLabels"], each["spec"]["template"])
        ]
        if [budget.get("maxUnavailable") for budget in budgets] != [1]:
            yield f"{name_of(each)} may be taken away at once"
        elif budgets[0].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name_of(each)} keeps a node from being emptied"


def a_new_version_takes_nothing_away(made: Manifests) -> Iterator[str]:
    """One more, none less."""
    for each in made.servers():
        strategy = each["spec"]["strategy"]
        how = strategy["canary"] if each["kind"] == "Rollout" else strategy["rollingUpdate"]
        if (how.get("maxSurge"), how.get("maxUnavailable")) != (1, 0):
            yield f"{name_of(each)} is fewer while it is replaced"


def pools_grow_fast_and_shrink_slowly(made: Manifests) -> Iterator[str]:
    """By what the specification names; and nobody else counts them."""
    scaled = {name_of(each): each["spec"] for each in made.of("HorizontalPodAutoscaler")}
    if set(scaled) != set(_MANY):
        yield "another pool is scaled"
    for name, spec in scaled.items():
        target = spec["scaleTargetRef"]
        workload = made.one(target["kind"], target["name"])
        if target["apiVersion"] != workload["apiVersion"]:
            yield f"{name} scales nothing"
        if "replicas" in workload["spec"]:
            yield f"{name} is counted by two"
        down = spec["behavior"]["scaleDown"]
        if down["stabilizationWindowSeconds"] < 300 or spec["behavior"]["scaleUp"].get(
            "stabilizationWindowSeconds"
        ):
            yield f"{name} shrinks fast or grows slowly"
    bounds = {name: (spec["minReplicas"], spec["maxReplicas"]) for name, spec in scaled.items()}
    is_production = "staging" not in made.one("SecretStore")["spec"]["provider"]["aws"]["prefix"]
    if is_production and bounds != _MANY:
        yield f"production has {bounds}"
    for metric in scaled["comanda-api"]["metrics"]:
        resource = metric.get("resource", {}).get("name")
        wanted = {"cpu": 70, "memory": 80}.get(resource)
        if wanted and metric["resource"]["target"]["averageUtilization"] != wanted:
            yield f"the API grows by another share of its {resource}"
    if {"Pods", "Resource"} != {each["type"] for each in scaled["comanda-api"]["metrics"]}:
        yield "the API does not grow by what it is answering"


def networks_are_closed(made: Manifests) -> Iterator[str]:
    """Nobody talks to our pods, and they to nobody, unless it is said."""
    nobody = made.one("NetworkPolicy", "nobody")["spec"]
    if nobody != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "what is not named is open"
    ours = made.one("NetworkPolicy")["spec"]
    for name, template in made.pods():
        if not fits(ours["podSelector"]["matchLabels"], template):
            yield f"{name} reaches nothing"
    ports = {each["port"] for rule in ours["egress"] for each in rule["ports"]}
    if ports != {53, 443, 5432, 6379}:
        yield f"they reach {sorted(ports)}"


def the_world_is_reached_past_the_nodes_credentials_and_reaches_nobody(
    made: Manifests,
) -> Iterator[str]:
    """And what is not the world is the network of our own proxies."""
    ours = made.one("NetworkPolicy")["spec"]
    out = [peer["ipBlock"] for rule in ours["egress"] for peer in rule["to"] if "ipBlock" in peer]
    inward = [
        peer["ipBlock"] for rule in ours["ingress"] for peer in rule["from"] if "ipBlock" in peer
    ]
    world = [block for block in out if block["cidr"] == _WORLD]
    if [block.get("except") for block in world] != [["169.254.169.254/32"]]:
        yield "the node's credentials are within reach"
    near = {block["cidr"] for block in (*inward, *out) if block not in world}
    if near != {made.settings()["COMANDA_TRUSTED_PROXIES"]}:
        yield "the networks are not those of the proxies"


def settings_are_the_applications(made: Manifests) -> Iterator[str]:
    """Each is one it has, secrets come as secrets, and with all of them it starts."""
    known = {name for name, _, _ in described()}
    common = made.settings()
    secret = made.one("ExternalSecret")["spec"]["target"]["template"]["data"]
    if set(secret) != {PREFIX + each for each in _SECRETS}:
        yield "other settings are secret"
    if common["COMANDA_CLOUDFRONT_DISTRIBUTION"] == DISTRIBUTION:
        yield "purges stay at home"
    filled = {
        name: re.sub(r"{{ \.(\w+) }}", lambda found: _SAMPLES[found[1]], text)
        for name, text in secret.items()
    }
    if not filled[f"{PREFIX}REDIS_URL"].startswith("rediss://"):
        yield "Redis is spoken to in the clear"
    for name in ("DATABASE_URL", "REPLICA_URLS"):
        if not all(each.endswith("sslmode=require") for each in filled[PREFIX + name].split(",")):
            yield f"{name} is in the clear"
    for name, template in made.pods():
        environment = common | filled | own(template)
        if unknown := environment.keys() - known:
            yield f"{name} is told {sorted(unknown)}, which is no setting"
        try:
            from_environment(environment)
        except SettingsError as error:
            yield f"{name} would not start: {error}"
        sources = container(template)["envFrom"]
        if sources != [
            {"configMapRef": {"name": name_of(made.of("ConfigMap")[0])}},
            {"secretRef": {"name": "comanda"}},
        ]:
            yield f"{name} is not told everything"


def secrets_are_what_terraform_made(made: Manifests) -> Iterator[str]:
    """Each word in a template has a source."""
    spec = made.one("ExternalSecret")["spec"]
    words = set(re.findall(r"{{ \.(\w+) }}", str(spec["target"]["template"]["data"])))
    if words != {each["secretKey"] for each in spec["data"]}:
        yield "a template names what is not fetched, or not what is"
    if {each["remoteRef"]["key"] for each in spec["data"]} != {"application", "database", "redis"}:
        yield "secrets have other names"
    if spec["secretStoreRef"]["name"] != name_of(made.one("SecretStore")):
        yield "secrets are fetched from nowhere"


def each_pool_has_its_work(made: Manifests) -> Iterator[str]:
    """Who answers people does no chores, somebody does them, and commands exist."""
    pools = {name: own(template) for name, template in made.pods() if name in SERVERS}
    doing = {name for name, told in pools.items() if told.get("COMANDA_CHORES") == "true"}
    if doing != {"comanda-relay"}:
        yield f"chores are done by {sorted(doing)}"
    for name, template in made.pods():
        command, *more = container(template)["args"]
        known = main.commands.get(command)
        if known is None or (isinstance(known, Group) and more[0] not in known.commands):
            yield f"{name} runs {command}, which is no command"
    for name, template in made.pods():
        if name in SERVERS and _EVERYWHERE not in container(template)["args"]:
            yield f"{name} hears nobody"


def the_drill_takes_place_every_two_weeks(made: Manifests) -> Iterator[str]:
    """However long the month is, sooner than the alert that it did not; and cleans up behind it."""
    drill = made.one("CronJob", DRILL)["spec"]
    minute, hour, days, month, weekday = drill["schedule"].split()
    if not (minute.isdecimal() and hour.isdecimal()) or (month, weekday) != ("*", "*"):
        yield "it is not once on each of its days"
    in_month = [int(day) for day in days.split(",")]
    for length in (28, 29, 30, 31):
        there = [day for day in in_month if day <= length]
        pauses = [after - day for day, after in pairwise([*there, length + there[0]])]
        if max(pauses) > MOST_DAYS:
            yield f"in a month of {length} days there are {max(pauses)} without one"
    job = drill["jobTemplate"]["spec"]
    if job["template"]["spec"]["terminationGracePeriodSeconds"] < 300:
        yield "what it has made stays behind"


def _taken(made: Manifests) -> dict[str, set[str]]:
    """Which pools each service has."""
    templates = {name_of(each): each["spec"]["template"] for each in made.servers()}
    return {
        name_of(service): {
            name for name, each in templates.items() if fits(service["spec"]["selector"], each)
        }
        for service in made.of("Service")
    }


def services_have_their_pods(made: Manifests) -> Iterator[str]:
    """The rollout's three, too, and by a port that there is."""
    taken = _taken(made)
    templates = {name_of(each): each["spec"]["template"] for each in made.servers()}
    for service in made.of("Service"):
        (port,) = service["spec"]["ports"]
        for name in taken[name_of(service)]:
            names = {each["name"] for each in container(templates[name])["ports"]}
            if port["targetPort"] not in names:
                yield f"{name} has no port {port['targetPort']}"
    canary = made.one("Rollout", "comanda-api")["spec"]["strategy"]["canary"]
    root = canary["trafficRouting"]["alb"]["rootService"]
    for each in (canary["stableService"], canary["canaryService"], root):
        if taken.get(each) != {"comanda-api"}:
            yield f"the rollout's service {each} is of {taken.get(each)}"


def addresses_find_their_pool(made: Manifests) -> Iterator[str]:
    """Pictures apart; and the rest by the weights of a canary."""
    (rule,) = made.one("Ingress")["spec"]["rules"]
    routes = {each["path"]: each["backend"]["service"] for each in rule["http"]["paths"]}
    to_pictures = {"name": "comanda-pictures", "port": {"name": "http"}}
    wanted = {
        **dict.fromkeys(("/products/", "/v/", "/api/products/*/picture*"), to_pictures),
        "/": {"name": "comanda-api", "port": {"name": "use-annotation"}},
    }
    if routes != wanted:
        yield f"addresses go to {routes}"
    taken = _taken(made)
    for each in routes.values():
        if taken.get(each["name"]) != {each["name"]}:
            yield f"{each['name']} is of {taken.get(each['name'])}"


def the_balancer_is_inside_and_asks_whether_they_are_ready(made: Manifests) -> Iterator[str]:
    """And brings a poll back to the process that has its session, during a canary too."""
    told = made.one("Ingress")["metadata"]["annotations"]
    wanted = {"scheme": "internal", "target-type": "ip", "healthcheck-path": "/ready"}
    for name, value in wanted.items():
        if told.get(f"{_ALB}{name}") != value:
            yield f"{name} is {told.get(f'{_ALB}{name}')}"
    if "stickiness.enabled=true" not in told[f"{_ALB}target-group-attributes"]:
        yield "polls go anywhere"
    canary = made.one("Rollout", "comanda-api")["spec"]["strategy"]["canary"]
    if not canary["trafficRouting"]["alb"].get("stickinessConfig", {}).get("enabled"):
        yield "polls go anywhere during a canary"


def a_canary_is_watched_as_specified(made: Manifests) -> Iterator[str]:
    """5 % for two hours, then by half-hours; back above 1 % of errors, or where it is slow."""
    canary = made.one("Rollout", "comanda-api")["spec"]["strategy"]["canary"]
    if canary["steps"] != _STEPS:
        yield "the steps are others"
    (template,) = made.of("AnalysisTemplate")
    analysis = canary.get("analysis", {})
    if [each["templateName"] for each in analysis.get("templates", [])] != [name_of(template)]:
        yield "nobody watches"
    elif analysis["startingStep"] != 1:
        yield "it is watched from another step on"


def a_canary_is_judged_as_specified(made: Manifests) -> Iterator[str]:
    """By figures that there are, and that are no noise."""
    (template,) = made.of("AnalysisTemplate")
    metrics = {each["name"]: each for each in template["spec"]["metrics"]}
    if metrics["errors"]["failureCondition"] != "len(result) > 0 && result[0] > 0.01":
        yield "other errors are too many"
    if metrics["fast"]["failureCondition"] != "len(result) > 0 && result[0] < 0.95":
        yield "another share is too slow"
    if 'le="0.1"' not in metrics["fast"]["provider"]["prometheus"]["query"] or 0.1 not in BUCKETS:
        yield "there is no such bucket"
    for name, each in metrics.items():
        query = each["provider"]["prometheus"]["query"]
        if "comanda_http_request_duration_seconds" not in query or "args.version" not in query:
            yield f"{name} is of something else"
        if not query.strip().endswith(">= 200"):
            yield f"{name} believes in noise"
        if each["inconclusiveLimit"] * seconds(each["interval"]) > seconds("30m"):
            yield f"{name} may say nothing for ever"


def figures_are_gathered_by_version(made: Manifests) -> Iterator[str]:
    """Or the canary's queries would find nothing."""
    spec = made.one("PodMonitor")["spec"]
    if "rollouts-pod-template-hash" not in spec["podTargetLabels"]:
        yield "versions are not told apart"
    for each in made.servers():
        template = each["spec"]["template"]
        ports = {port["name"] for port in container(template)["ports"]}
        if not fits(spec["selector"]["matchLabels"], template):
            yield f"{name_of(each)} is not scraped"
        if not {point["port"] for point in spec["podMetricsEndpoints"]} <= ports:
            yield f"{name_of(each)} has no such port"


def the_schema_comes_before_the_processes(made: Manifests) -> Iterator[str]:
    """And what a migration needs before that."""

    def wave(manifest: Manifest) -> int:
        return int(manifest["metadata"].get("annotations", {}).get(_WAVE, 0))

    migration = wave(made.one("Job", "comanda-migrate"))
    if not all(migration < wave(each) for each in made.servers()):
        yield "processes come before their schema"
    for kind in ("Namespace", "ServiceAccount", "SecretStore", "ExternalSecret", "ConfigMap"):
        if not all(wave(each) < migration for each in made.of(kind)):
            yield f"a migration comes before its {kind}"


POLICIES: Final[tuple[Policy, ...]] = (
    everything_agreed_upon_is_there,
    pods_may_do_nothing_but_serve,
    pods_are_bounded,
    images_are_by_digest,
    servers_are_looked_after,
    who_leaves_has_the_time_to,
    pods_are_spread,
    a_node_that_is_emptied_takes_one_at_a_time,
    a_new_version_takes_nothing_away,
    pools_grow_fast_and_shrink_slowly,
    networks_are_closed,
    the_world_is_reached_past_the_nodes_credentials_and_reaches_nobody,
    settings_are_the_applications,
    secrets_are_what_terraform_made,
    each_pool_has_its_work,
    the_drill_takes_place_every_two_weeks,
    services_have_their_pods,
    addresses_find_their_pool,
    the_balancer_is_inside_and_asks_whether_they_are_ready,
    a_canary_is_watched_as_specified,
    a_canary_is_judged_as_specified,
    figures_are_gathered_by_version,
    the_schema_comes_before_the_processes,
)
