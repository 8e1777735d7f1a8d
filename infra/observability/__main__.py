"""`python -m infra.observability`: make the rules and the dashboards anew from what they are of."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from infra.observability import dashboards, rules

GENERATED: Final = Path(__file__).parent / "generated"


def generated() -> dict[str, str]:
    """Each file below GENERATED, and what is in it."""
    head = "# Made by `make observability` of slo.toml and alerts.toml.\n"
    return {
        "rules.yaml": head + _yaml(rules.groups()),
        **{
            f"dashboards/{each.uid}.json": json.dumps(each.grafana(), indent=1) + "\n"
            for each in dashboards.DASHBOARDS
        },
    }


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, width=100, allow_unicode=True))


def main() -> None:
    """Write them."""
    for name, text in generated().items():
        (GENERATED / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
