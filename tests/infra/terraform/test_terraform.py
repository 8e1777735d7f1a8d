"""Terraform's own judgement of infra/terraform, by the real schema of the AWS provider."""

import json
from pathlib import Path

import pytest

from tests.infra.terraform import workbench
from tests.infra.terraform.defects import DEFECTS
from tests.infra.terraform.workbench import Workbench

pytestmark = pytest.mark.skipif(
    workbench.missing() is not None, reason=workbench.missing() or "Terraform is here"
)
STAGING = "stacks/staging"


def test_it_is_formatted_as_terraform_does(tmp_path: Path) -> None:
    said = Workbench(tmp_path).run(".", "fmt", "-check", "-recursive", "-diff", "-no-color")
    assert said.code == 0, said.output


def test_staging_is_valid_and_each_mistake_is_named(tmp_path: Path) -> None:
    sound = Workbench(tmp_path / "sound")
    sound.ready(STAGING)
    said = sound.run(STAGING, "validate", "-no-color")
    assert said.code == 0, said.output
    left = list(DEFECTS)
    while left:
        # What depends on a mistake is not looked at, so not all are named at once.
        bench = Workbench(tmp_path / str(len(left)))
        for defect in left:
            bench.breach(defect.breach)
        bench.ready(STAGING)
        found = json.loads(bench.run(STAGING, "validate", "-json").output)["diagnostics"]
        text = "\n".join(f"{each['summary']} {each.get('detail', '')}" for each in found)
        unnamed = [each for each in left if each.said not in text]
        assert unnamed != left, f"{unnamed}\n{text}"
        left = unnamed


def test_modules_refuse_what_is_out_of_bounds(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.ready("tests")
    said = bench.run("tests", "test", "-no-color")
    assert said.code == 0, said.output
    assert "0 failed" in said.output
