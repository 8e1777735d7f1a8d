#!/bin/sh
# checkov over infra/terraform; .checkov.yml says what it is not asked about, and why.
set -eu

CDPATH='' cd "$(dirname "$0")/../../.."
tools=.tools/checkov

if [ ! -x $tools/bin/checkov ]; then
    echo 'Setting checkov up, some 300 MB in .tools'
    rm -rf $tools
    .venv/bin/python -m venv $tools
    $tools/bin/python -m pip install -qq 'checkov>=3.3.30,<4'
fi
$tools/bin/checkov --directory infra/terraform --config-file infra/terraform/tests/.checkov.yml "$@"
