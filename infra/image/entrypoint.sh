#!/bin/sh
# The `comanda` command, on the picture engine that this processor can run.
set -eu

cd /comanda
# infra/local/setup.sh noted for which processor it built pillow-simd.
case $(cat .venv/.comanda/engine) in
    'simd avx2,'*' got')
        if ! grep -qsw avx2 /proc/cpuinfo; then
            PYTHONPATH=/comanda/.stock-pillow
            export PYTHONPATH
        fi
        ;;
esac
case ${1:-} in
    # By itself: the command line would load the embedded stack, too.
    serve) shift && exec .venv/bin/python -m bff.serve "$@" ;;
    *) exec .venv/bin/python -m bff "$@" ;;
esac
