#!/bin/sh
# What of Debian the image has: `build` before it is built, `serve` where it runs.
set -eu

case ${1:-} in
    build)
        # What setup.sh would fetch by itself; so the layer is kept while the code changes.
        set -- python3 python3-venv python3-dev build-essential libjpeg-dev zlib1g-dev libwebp-dev liblcms2-dev
        ;;
    serve)
        set -- python3 libjpeg62-turbo zlib1g libwebp7 libwebpmux3 libwebpdemux2 liblcms2-2 ca-certificates
        ;;
    *)
        echo 'system.sh build, or system.sh serve' >&2
        exit 1
        ;;
esac
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*
