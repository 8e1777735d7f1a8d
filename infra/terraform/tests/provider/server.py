"""hashicorp/aws without AWS: its real schema, and made-up answers, over Terraform's protocol 6.

So `terraform validate`, `test`, `plan` and `apply` run with no account, key or network. It cannot
know what the real one checks in code (arguments that exclude each other, ranges, quotas) nor what
AWS answers. Started by Terraform, with the schema's path in COMANDA_AWS_SCHEMA.
"""

import base64
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
import msgpack
from tf.gen import grpc_controller_pb2 as controller_messages
from tf.gen import grpc_controller_pb2_grpc as controller
from tf.gen import grpc_stdio_pb2_grpc as stdio
from tf.gen import tfplugin_pb2 as messages
from tf.gen import tfplugin_pb2_grpc as plugin
from tf.runner import _self_signed_cert as certificate

from infra.terraform.tests.provider.values import Cloud, Schema, is_unknown, is_write_only, planned

_NESTING: Final = {"single": 1, "list": 2, "set": 3, "map": 4}
# Attribute.write_only, field 11 and a bool: newer than the messages that are installed.
_WRITE_ONLY: Final = b"\x58\x01"
_ERROR: Final = 1
_NO_BOUND: Final = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

ended = threading.Event()


def _block(block: Schema) -> Any:
    result = messages.Schema.Block()
    for name, attribute in sorted(block["attributes"].items()):
        flags = {flag: value for flag, value in attribute.items() if flag != "type"}
        kind = json.dumps(attribute["type"]).encode()
        added = result.attributes.add(name=name, type=kind, **flags)
        if is_write_only(name):
            added.MergeFromString(_WRITE_ONLY)
    for name, nested in sorted(block["block_types"].items()):
        result.block_types.add(
            type_name=name,
            block=_block(nested["block"]),
            nesting=_NESTING[nested["nesting_mode"]],
            min_items=nested.get("min_items", 0),
            max_items=nested.get("max_items", 0),
        )
    return result


def _schema(block: Schema) -> Any:
    return messages.Schema(version=0, block=_block(block))


def _unpacked(value: Any) -> Any:
    if value.json:
        return json.loads(value.json)
    return msgpack.unpackb(value.msgpack, strict_map_key=False) if value.msgpack else None


def _packed(value: Any) -> Any:
    return messages.DynamicValue(msgpack=msgpack.packb(value))


def _along(value: Any, path: list[str]) -> Iterator[Any]:
    """Every word at the end of a path, through all blocks on the way."""
    if value is None or is_unknown(value):
        return
    if isinstance(value, list):
        for each in value:
            yield from _along(each, path)
    elif path:
        yield from _along(value.get(path[0]), path[1:])
    else:
        yield value


class Provider(plugin.ProviderServicer):
    """The calls that Terraform makes of a provider (tfplugin6.proto)."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._cloud = Cloud()

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return messages.GetProviderSchema.Response(
            provider=_schema(self._schema["provider"]),
            resource_schemas={k: _schema(v) for k, v in self._schema["resource"].items()},
            data_source_schemas={k: _schema(v) for k, v in self._schema["data"].items()},
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return messages.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        given = _unpacked(request.config)
        self._cloud.region = given["region"]
        for tags in given["default_tags"] or []:
            self._cloud.tags |= tags["tags"]
        return messages.ConfigureProvider.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        value = _unpacked(request.config)
        block = self._schema["resource"][request.type_name]
        faults = [
            f"{name} cannot be set: AWS says what it is"
            for name, attribute in block["attributes"].items()
            if attribute.get("computed")
            and not attribute.get("optional")
            and value.get(name) is not None
        ]
        for path, words in self._schema["rules"].get(request.type_name, {}).items():
            faults += [
                f"{path} is {word!r}; AWS knows {', '.join(words)}"
                for word in _along(value, path.split("."))
                if word not in words
            ]
        return messages.ValidateResourceConfig.Response(
            diagnostics=[messages.Diagnostic(severity=_ERROR, summary=each) for each in faults]
        )

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return messages.ValidateDataResourceConfig.Response()

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        wanted = _unpacked(request.proposed_new_state)
        block = self._schema["resource"][request.type_name]
        if wanted is not None:
            is_new = _unpacked(request.prior_state) is None
            wanted = planned(self._cloud.defaulted(wanted, block), block, is_new=is_new)
        return messages.PlanResourceChange.Response(planned_state=_packed(wanted))

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        wanted = _unpacked(request.planned_state)
        if wanted is not None:
            block = self._schema["resource"][request.type_name]
            wanted = self._cloud.made(request.type_name, wanted, block)
        return messages.ApplyResourceChange.Response(new_state=_packed(wanted))

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        block = self._schema["data"][request.type_name]
        found = self._cloud.made(
            request.type_name, _unpacked(request.config), block, all_of_it=True
        )
        return messages.ReadDataSource.Response(state=_packed(found))

    def ReadResource(self, request: Any, context: Any) -> Any:
        return messages.ReadResource.Response(new_state=request.current_state)

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        state = messages.DynamicValue(json=request.raw_state.json)
        return messages.UpgradeResourceState.Response(upgraded_state=state)

    def GetFunctions(self, request: Any, context: Any) -> Any:
        return messages.GetFunctions.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        ended.set()
        return messages.StopProvider.Response()


class _Controller(controller.GRPCControllerServicer):
    def Shutdown(self, request: Any, context: Any) -> Any:
        ended.set()
        return controller_messages.Empty()


class _Output(stdio.GRPCStdioServicer):
    def StreamStdio(self, request: Any, context: Any) -> Any:
        return iter([])


def main() -> None:
    """Serve on a socket until Terraform says that it is enough (go-plugin's handshake)."""
    if "TF_PLUGIN_MAGIC_COOKIE" not in os.environ:
        sys.exit("This is a provider of Terraform's, which starts it itself.")
    schema = json.loads(Path(os.environ["COMANDA_AWS_SCHEMA"]).read_text(encoding="utf-8"))
    server = grpc.server(futures.ThreadPoolExecutor(4), options=_NO_BOUND)
    plugin.add_ProviderServicer_to_server(Provider(schema), server)
    controller.add_GRPCControllerServicer_to_server(_Controller(), server)
    stdio.add_GRPCStdioServicer_to_server(_Output(), server)
    chain, credentials = certificate()
    with tempfile.TemporaryDirectory() as directory:
        socket = f"unix://{directory}/provider"
        server.add_secure_port(socket, credentials)
        server.start()
        public = base64.b64encode(chain).decode().rstrip("=")
        print(f"1|6|unix|{directory}/provider|grpc|{public}", flush=True)
        ended.wait()
        server.stop(0.2)


if __name__ == "__main__":
    main()
