#!/bin/sh
# checkov over what an apply of production comes to; .checkov.yml says what is not looked for, and why.
set -eu

CDPATH='' cd "$(dirname "$0")/../../.."
tools=.tools/checkov

if [ ! -x $tools/bin/checkov ]; then
    echo 'Setting checkov up (457 MB)'
    rm -rf $tools
    .venv/bin/python -m venv $tools
    $tools/bin/python -m pip install -qq 'checkov>=3.3.30,<4'
fi
$tools/bin/checkov --directory infra/terraform --config-file infra/terraform/tests/.checkov.yml "$@"
