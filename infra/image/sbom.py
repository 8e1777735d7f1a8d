"""What the image is made of, as CycloneDX 1.6 (ECMA-424): Python's packages, and Debian's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import Path


def components() -> Iterator[dict[str, str]]:
    """Each package by its name, version and package URL."""
    for each in distributions():
        name = each.name.lower().replace("_", "-")
        yield _component(name, each.version, f"pkg:pypi/{name}@{each.version}")
    # dpkg-query's own words, so no shell and no path of a stranger's.
    asked = ["/usr/bin/dpkg-query", "--show", "--showformat", "${Package}\t${Version}\n"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name, number = line.split("\t")
        yield _component(name, number, f"pkg:deb/debian/{name}@{number}")


def _component(name: str, number: str, purl: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": number, "purl": purl, "bom-ref": purl}


def main() -> None:
    """Write it to the file that is named."""
    subject = {"type": "application", "name": "comanda", "version": version("comanda")}
    found = sorted(components(), key=lambda each: each["purl"])
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject},
        "components": found,
    }
    Path(sys.argv[1]).write_text(json.dumps(bill, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
