#!/bin/sh
# Leaves of the build what is served: compiled, for nothing can be written there later, and no more.
set -eu

.venv/bin/python -m pip uninstall --quiet --yes pip setuptools 2>/dev/null || :
rm -rf .venv/.comanda/*.log requirements
.venv/bin/python -m compileall -q -j 0 .venv/lib .stock-pillow bff cdn domain imaging infra migrations
chmod -R u=rwX,go=rX .
