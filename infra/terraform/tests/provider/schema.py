"""The schema of the AWS provider, read out of a package in which each of its types is a class.

Terraform asks its provider what there is, and HashiCorp's registry is the only place that has it.
CDK Terrain's package on PyPI is generated from the same provider, and tells of every argument its
name, its type, whether it is required, and whether it is a block.
`python -m ... WHEEL SCHEMA DIRECTORY...` writes what the Terraform files there use, as JSON.
"""

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.terraform.tests.provider import firewall
from infra.terraform.tests.provider.rules import rules

Schema = dict[str, Any]
Type = str | list[Any]

_USED: Final = re.compile(r'^\s*(resource|data) "(aws_\w+)"', re.MULTILINE)
_CLASS: Final = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{", re.MULTILINE)
_INTERFACE: Final = re.compile(
    r"^export interface (\w+)(?: extends [\w.]+)? \{(.*?)^\}", re.MULTILINE | re.DOTALL
)
_BLOCK: Final = re.compile(r"\* (\w+) block\n")
_CONVERTER: Final = re.compile(
    r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL
)
_ATTRIBUTE: Final = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n"
    r"(.*?)(?=^    // \w+ - computed:|^    // =====|^\})",
    re.MULTILINE | re.DOTALL,
)
_STORED: Final = re.compile(
    r'^\s+(\w+): \{\n\s+value: .*?\n\s+isBlock: \w+,\n\s+type: "(\w+)",'
    r'\n\s+storageClassType: "([\w.]+)",',
    re.MULTILINE,
)
_PLAIN: Final = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
_COLLECTION: Final = re.compile(r"(string|number|boolean|any)(List|Map)(List|Map)?")
_NESTING: Final = {"struct": "single", "list": "list", "set": "set", "map": "map"}
# What a getter calls tells the type of what nobody sets.
_GETTERS: Final[tuple[tuple[str, str], ...]] = (
    ("getStringAttribute", "string"),
    ("getNumberAttribute", "number"),
    ("getBooleanAttribute", "bool"),
)
_COLLECTING_GETTERS: Final = (
    ("getNumberListAttribute", "number"),
    ("getListAttribute", "string"),
)
_MAPS: Final = (("StringMap", "string"), ("NumberMap", "number"), ("BooleanMap", "bool"))


# Its own arguments have no classes: these are the ones that are used.
_PROVIDER: Final[Schema] = {
    "attributes": {
        "region": {"type": "string", "optional": True},
        "allowed_account_ids": {"type": ["set", "string"], "optional": True},
    },
    "block_types": {
        "default_tags": {
            "nesting_mode": "list",
            "block": {
                "attributes": {"tags": {"type": ["map", "string"], "optional": True}},
                "block_types": {},
            },
        }
    },
}


class Module(NamedTuple):
    """A type of the provider: its JavaScript and its declarations."""

    script: str
    declarations: str


class _Stored(NamedTuple):
    kind: str
    storage: str


class _Reader:
    """One module's classes, as a block of Terraform's."""

    def __init__(self, module: Module) -> None:
        found = list(_CLASS.finditer(module.script))
        ends = [each.start() for each in found[1:]] + [len(module.script)]
        self._classes = {
            each[1]: module.script[each.end() : end] for each, end in zip(found, ends, strict=True)
        }
        self._blocks = {
            each[1]: set(_BLOCK.findall(each[2]))
            for each in _INTERFACE.finditer(module.declarations)
        }
        self._stored = {
            each[1][0].upper() + each[1][1:]: _stored(each[2])
            for each in _CONVERTER.finditer(module.script)
        }
        # The last class is the type itself.
        self._top = found[-1][1]

    def block(self) -> Schema:
        """The block of the type itself."""
        body = self._classes[self._top]
        stored = _stored(body.partition("synthesizeHclAttributes")[2])
        return self._read(body, stored, self._blocks.get(f"{self._top}Config", set()))

    def _read(self, body: str, stored: dict[str, _Stored], blocks: set[str]) -> Schema:
        attributes: Schema = {}
        nested: Schema = {}
        for name, computed, optional, required, getter in _ATTRIBUTE.findall(body):
            flags = {
                flag: True
                for flag, given in (
                    ("computed", computed),
                    ("optional", optional),
                    ("required", required),
                )
                if given == "true"
            }
            child = re.search(
                rf'new (?!cdktn\.)(\w+?)(OutputReference|List|Map)\((?:this|this\.\w+), "{name}"'
                r"(?:, (true|false))?\)",
                getter,
            )
            if child is None:
                attributes[name] = {"type": _type(stored.get(name), getter), **flags}
                continue
            kind = stored[name].kind if name in stored else "set" if child[3] == "true" else "list"
            inside = self._child(child[1], child[2])
            if name not in blocks:
                attributes[name] = {"type": _collected(kind, _object(inside)), **flags}
                continue
            nested[name] = {"nesting_mode": _NESTING[kind], "block": inside}
            if child[2] == "OutputReference" and kind != "struct":
                nested[name]["max_items"] = 1
            if required == "true":
                nested[name]["min_items"] = 1
        return {"attributes": attributes, "block_types": nested}

    def _child(self, interface: str, suffix: str) -> Schema:
        body = self._classes.get(f"{interface}OutputReference") or self._classes[interface + suffix]
        return self._read(body, self._stored.get(interface, {}), self._blocks.get(interface, set()))


def _stored(text: str) -> dict[str, _Stored]:
    return {name: _Stored(kind, storage) for name, kind, storage in _STORED.findall(text)}


def _type(stored: _Stored | None, getter: str) -> Type:
    if stored is not None and stored.kind == "simple":
        return _PLAIN.get(stored.storage, "dynamic")
    if stored is not None and (found := _COLLECTION.fullmatch(stored.storage)):
        inner: Type = _PLAIN[found[1]]
        return [stored.kind, [found[2].lower(), inner] if found[3] else inner]
    for call, plain in _GETTERS:
        if call in getter:
            return plain
    for call, plain in _COLLECTING_GETTERS:
        if call in getter:
            return ["set" if "Fn.tolist(" in getter else "list", plain]
    for name, plain in _MAPS:
        if name in getter:
            return ["map", plain]
    return "dynamic"


def _collected(kind: str, inner: Type) -> Type:
    return inner if kind == "struct" else [kind, inner]


def _object(block: Schema) -> Type:
    fields = {name: each["type"] for name, each in block["attributes"].items()}
    for name, each in block["block_types"].items():
        inner = _object(each["block"])
        mode = each["nesting_mode"]
        fields[name] = inner if mode == "single" else [mode, inner]
    return ["object", fields]


def used(directories: Iterable[Path]) -> set[tuple[str, str]]:
    """(`resource` or `data`, type) of everything that the Terraform files there name."""
    return {
        (kind, name)
        for directory in directories
        for file in directory.rglob("*.tf")
        for kind, name in _USED.findall(file.read_text(encoding="utf-8"))
    }


def modules(wheel: Path, folders: set[str]) -> Iterator[tuple[str, Module]]:
    """These folders of the package, in the order in which it has them."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        content = io.BytesIO(outer.read(package))
    scripts: dict[str, str] = {}
    declarations: dict[str, str] = {}
    with tarfile.open(fileobj=content, mode="r|gz") as inner:
        for member in inner:
            parts = member.name.split("/")
            if len(parts) != 4 or parts[2] not in folders:
                continue
            wanted = {"index.js": scripts, "index.d.ts": declarations}.get(parts[3])
            file = inner.extractfile(member) if wanted is not None else None
            if wanted is not None and file is not None:
                # A map of the source is appended, several times as long as the script.
                wanted[parts[2]] = file.read().decode().partition("\n//# sourceMappingURL")[0]
    for folder in sorted(scripts):
        yield folder, Module(scripts[folder], declarations[folder])


def schema(wheel: Path, types: set[tuple[str, str]]) -> Schema:
    """The provider's schema of these types. Raises KeyError if the package has not all of them."""
    prefix = {"resource": "", "data": "data-aws-"}
    folders = {
        prefix[kind] + name.removeprefix("aws_").replace("_", "-"): (kind, name)
        for kind, name in types
    }
    read = dict(modules(wheel, set(folders)))
    missing = folders.keys() - read.keys()
    if missing:
        raise KeyError(f"the provider has no {', '.join(sorted(missing))}")
    result: Schema = {"provider": _PROVIDER, "resource": {}, "data": {}}
    for folder, module in read.items():
        kind, name = folders[folder]
        result[kind][name] = _Reader(module).block()
    firewall.complete(result)
    result["rules"] = rules(result["resource"])
    return result


def main() -> None:
    """Write the schema, as the module says."""
    wheel, target, *directories = map(Path, sys.argv[1:])
    made = schema(wheel, used(directories))
    target.write_text(json.dumps(made, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
