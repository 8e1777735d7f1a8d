"""What has to be true of production, and that each of these rules would notice if it were not."""

from pathlib import Path

import pytest

from tests.infra.terraform import workbench
from tests.infra.terraform.policies import POLICIES, Policy, everything_wrong
from tests.infra.terraform.workbench import Workbench

pytestmark = pytest.mark.skipif(
    workbench.missing() is not None, reason=workbench.missing() or "Terraform is here"
)
PRODUCTION = "stacks/production"


def test_production_keeps_every_policy(tmp_path: Path) -> None:
    assert everything_wrong(Workbench(tmp_path).applied(PRODUCTION)) == {}


def test_each_policy_notices_its_own_breach(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    for policy in POLICIES:
        bench.breach(policy.breach)
    noticed = everything_wrong(bench.applied(PRODUCTION))
    assert noticed.keys() == {policy.name for policy in POLICIES}


@pytest.mark.infra
def test_a_second_plan_changes_nothing(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.applied(PRODUCTION)
    said = bench.run(PRODUCTION, "plan", "-detailed-exitcode", "-no-color", "-input=false")
    assert said.code == 0, said.output


@pytest.mark.infra
@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_a_policy_notices_its_breach_where_all_else_is_well(policy: Policy, tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.breach(policy.breach)
    assert list(policy.check(bench.applied(PRODUCTION)))
