#!/bin/sh
# Makes a fresh checkout runnable: virtual environment, locked packages, PIL engine, Comanda itself.
#
#   sh infra/local/setup.sh run     what `comanda up` needs
#   sh infra/local/setup.sh test    that, the checks, stock Pillow beside it in .stock-pillow, and
#                                   Chromium where it can be had unasked
#   sh infra/local/setup.sh image   what a container serves: no embedded servers, both engines
#
# PYTHON=python3.12    the interpreter to use, 3.11 or newer (default: the first one found)
# COMANDA_PIL=stock    stock Pillow;  COMANDA_PIL=simd  pillow-simd or an error
#                      (default: pillow-simd on x86-64 where it can be built, else stock Pillow)
#
# Each step leaves a stamp in .venv/.comanda once it is whole, so a second run has nothing to do,
# and an interrupted one is taken up where it stopped.
set -eu

CDPATH='' cd "$(dirname "$0")/../.."
root=$(pwd -P) # Python writes the physical path into the environment's scripts
script=infra/local/setup.sh
venv=.venv
state=$venv/.comanda
work=$state/work
profile=${1:-}
pil=${COMANDA_PIL:-auto}

# Another PYTHONPATH would make pip believe that its packages are installed here.
unset PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off

say() { printf '%s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# step LOG TITLE COMMAND...: one line with the seconds it took; its noise is shown only if it fails.
step() {
    log=$state/$1.log
    printf '  %-58s' "$2"
    shift 2
    began=$(date +%s)
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '%4d s\n' $(($(date +%s) - began))
    else
        printf 'failed after %d s\n' $(($(date +%s) - began))
        tail -n 15 "$log" | cut -c 1-200 | sed 's/^/    | /'
        say "    (the whole of it: $log)"
        return 1
    fi
}

fingerprint() { cat "$@" | cksum | tr ' ' '-'; }
stamped() { [ "$(cat "$state/$1" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$state/$1"; }
# A change of site-packages that is cut short leaves this mark, and the next run starts afresh.
changing() { : >"$state/unfinished"; }
changed() { rm -f "$state/unfinished"; }

# ---- root's help: only apt and dnf, only as root or by a sudo that asks nothing -----------------

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
    command -v apt-get >/dev/null || command -v dnf >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

install_system() {
    if command -v apt-get >/dev/null; then
        as_root apt-get -o DPkg::Lock::Timeout=300 update || : # a stranger's broken source may be in it
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -y --no-install-recommends "$@"
    else
        as_root dnf install -y "$@"
    fi
}

# install_command PACKAGES...: what a person types who is not root.
install_command() {
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo='sudo '; fi
    if command -v apt-get >/dev/null; then
        say "${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends $*"
    else
        say "${sudo}dnf install -y $*"
    fi
}

# ---- the virtual environment --------------------------------------------------------------------

recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
same_version() { [ "$(version_of "$1" 2>/dev/null)" = "$(version_of "$2")" ]; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer"
        python=$PYTHON
        return
    fi
    for python in python3 python3.13 python3.12 python3.11; do
        ! recent_enough "$python" || return 0
    done
    die "no Python 3.11 or newer on PATH. Install one (Debian 12, Ubuntu 24.04 and Fedora have it
as python3; elsewhere https://www.python.org/downloads/) or name yours: PYTHON=/path/to/python3.12"
}

venv_usable() {
    [ ! -e "$state/unfinished" ] &&
        grep -qsF "$root/$venv/bin/python" "$venv/bin/pip" && # else it was moved here
        "$venv/bin/python" -c 'import pip' 2>/dev/null &&
        recent_enough "$venv/bin/python" &&
        { [ -z "${PYTHON:-}" ] || same_version "$PYTHON" "$venv/bin/python"; }
}

make_venv() {
    rm -rf "$venv" && mkdir -p "$state"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=python$(version_of "$python")-venv
        if command -v apt-get >/dev/null && can_install; then
            step venv "$package, from the system's packages" install_system "$package" ||
                die "$package could not be installed, and without it there is no virtual environment"
        elif command -v apt-get >/dev/null; then
            die "this Python has no venv module. Type this, then come again:
    $(install_command "$package")"
        else
            die "this Python has no venv module ($python -m venv); install it, or name another: PYTHON=..."
        fi
    fi
    step venv "virtual environment in $venv, Python $(version_of "$python")" "$python" -m venv "$venv" ||
        die "the virtual environment could not be made"
}

# ---- packages -----------------------------------------------------------------------------------

packages_key() {
    if [ "$profile" = image ]; then
        fingerprint requirements/image.lock
    else
        fingerprint requirements/run.lock requirements/test.lock
    fi
}

packages_current() {
    key=$(packages_key)
    stamped packages "test $key" || stamped packages "$profile $key"
}

install_packages() {
    lock=requirements/$profile.lock
    changing
    step packages "$(grep -c '^[A-Za-z].*==' "$lock") packages, each checked by its hash" \
        "$venv/bin/python" -m pip install --require-hashes -r "$lock" ||
        die "the packages could not be installed. If the network failed, come again"
    changed
    stamp packages "$profile $(packages_key)"
}

# ---- the PIL engine: pillow-simd built for this processor, or stock Pillow ----------------------

# All that pictures need and nothing else, whatever happens to lie about on the machine. AVIF comes
# from pillow-avif-plugin, since the system's libavif is often older than the 1.0 that PIL wants.
simd_features='jpeg=enable zlib=enable webp=enable lcms=enable avif=disable freetype=disable
    tiff=disable jpeg2000=disable imagequant=disable xcb=disable'

# Sets wanted to "simd avx2", "simd sse4" or "stock".
choose_engine() {
    case $pil in
        auto | simd | stock) ;;
        *) die "COMANDA_PIL is simd, stock or not set; not '$pil'" ;;
    esac
    case $(uname -s)-$(uname -m) in
        Linux-x86_64 | Linux-amd64) wanted='simd sse4' ;;
        *)
            [ "$pil" != simd ] || die "pillow-simd is for Linux on x86-64; leave COMANDA_PIL=simd out"
            wanted=stock
            ;;
    esac
    [ "$wanted" = stock ] || ! grep -qsw avx2 /proc/cpuinfo || wanted='simd avx2'
    [ "$pil" != stock ] || wanted=stock
    level=${wanted#simd }
    switches=-frecord-gcc-switches # imaging/engine.py reads the level back from these
    [ "$level" != avx2 ] || switches="$switches -mavx2"
    locks=$(fingerprint requirements/pillow-simd.lock requirements/pillow-stock.lock)
    engine_key="$wanted, $switches $simd_features, $locks:"
}

# installed DISTRIBUTION: its metadata lies in the environment (both own PIL, so only one may).
installed() {
    set -- "$venv"/lib/python3*/site-packages/"$1"-[0-9]*.dist-info
    [ -e "$1" ]
}
only_simd() { installed pillow_simd && ! installed pillow; }
only_stock() { installed pillow && ! installed pillow_simd; }

engine_current() {
    if stamped engine "$engine_key got"; then
        if [ "$wanted" = stock ]; then only_stock; else only_simd; fi
        return
    fi
    # Stock Pillow for want of something: stay with it until that has come.
    if [ "$pil" = simd ] || ! only_stock; then return 1; fi
    if stamped engine "$engine_key no-headers"; then
        if can_install || can_build; then return 1; fi
    elif stamped engine "$engine_key no-packages"; then
        if can_build; then return 1; fi
    else
        stamped engine "$engine_key no-build"
    fi
}

# The smallest program that needs all that pillow-simd's build will need.
can_build() {
    needs=$state/needs.$$ # its own directory: another set-up may be building in $work
    mkdir -p "$needs" && cat >"$needs/needs.c" <<'C' || return 1
#include <Python.h>
#include <stdio.h>
#include <jpeglib.h>
#include <lcms2.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>
#include <zlib.h>
C
    # shellcheck disable=SC2086  # words, not one word
    ${CC:-cc} $switches -shared -fPIC -I "$(include_directory)" \
        "$needs/needs.c" -o "$needs/needs.so" \
        -ljpeg -lz -lwebp -lwebpmux -lwebpdemux -llcms2 >"$state/needs.log" 2>&1
    set -- $?
    rm -rf "$needs"
    return "$1"
} 2>/dev/null

include_directory() {
    "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))'
}

build_packages() {
    headers=$(include_directory)
    if command -v apt-get >/dev/null; then
        say build-essential libjpeg-dev zlib1g-dev libwebp-dev liblcms2-dev
        # Only the system's own Python has its headers in a package of the system.
        case $headers in /usr/include/*) say "python$(version_of "$venv/bin/python")-dev" ;; esac
    else
        say gcc libjpeg-turbo-devel zlib-devel libwebp-devel lcms2-devel
        case $headers in
            /usr/include/*)
                if same_version /usr/bin/python3 "$venv/bin/python"; then
                    say python3-devel
                else
                    say "python$(version_of "$venv/bin/python")-devel"
                fi
                ;;
        esac
    fi
}

# gather LOCK [PIP OPTION...]: all of the lock into $work, before anything is taken away.
gather() {
    lock=$1
    shift
    rm -rf "$work" && mkdir -p "$work" &&
        "$venv/bin/python" -m pip download --require-hashes --no-deps -d "$work" "$@" -r "$lock"
}

# In two steps, for pip gives build settings only to what is named on its command line; and with no
# wheel from pip's cache, which may have been built with other switches.
build_simd() {
    gather requirements/pillow-simd.lock --no-binary pillow-simd || return 1
    set -- "$work"/pillow_simd-*.tar.gz
    for feature in $simd_features; do set -- "$@" --config-settings "$feature"; done
    CC="${CC:-cc} $switches" "$venv/bin/python" -m pip wheel --no-deps --no-cache-dir -w "$work" "$@"
}

swap_engine() {
    "$venv/bin/python" -m pip uninstall -y pillow-simd pillow pillow-avif-plugin &&
        "$venv/bin/python" -m pip install --no-deps --no-index "$work"/*.whl &&
        PYTHONPATH=. "$venv/bin/python" -c '
from imaging.engine import describe

engine = describe()
print(*engine.lines(), sep="\n")
missing = {"jpeg", "png", "webp", "avif"} - set(engine.codecs)
if missing or engine.lcms2 is None:
    raise SystemExit(f"this PIL lacks {sorted(missing) or str()} or LittleCMS: {engine}")
'
}

put_in() {
    changing
    step "put-in-${1%% *}" "$1, put in its place" swap_engine || return 1
    changed
}

install_stock() {
    if ! step stock "stock Pillow, fetched" gather requirements/pillow-stock.lock ||
        ! put_in "stock Pillow"; then
        die "stock Pillow could not be installed. If the network failed, come again"
    fi
}

# Sets outcome to got, no-headers, no-packages or no-build.
try_simd() {
    outcome=got
    if ! can_build; then
        if ! can_install; then
            outcome=no-headers
            return
        fi
        # shellcheck disable=SC2046  # a list of words
        if ! step headers "compiler and headers, from the system's packages" \
            install_system $(build_packages) || ! can_build; then
            outcome=no-packages
            return
        fi
    fi
    if ! step build "pillow-simd, built here for $level (a minute or so)" build_simd; then
        outcome=no-build
        return
    fi
    put_in pillow-simd || outcome=no-build
}

install_engine() {
    outcome=got
    if [ "$wanted" = stock ]; then
        install_stock
    else
        try_simd
        if [ "$outcome" != got ]; then
            [ "$pil" != simd ] || die "COMANDA_PIL=simd, but pillow-simd could not be had. $(remedy)"
            install_stock
        fi
    fi
    rm -rf "$work"
    stamp engine "$engine_key $outcome"
}

remedy() {
    if ! command -v apt-get >/dev/null && ! command -v dnf >/dev/null; then
        say "pillow-simd is built from source: install a C compiler and the headers of
    Python, libjpeg, zlib, libwebp and lcms2, then come again."
    elif [ "$outcome" = no-headers ]; then
        # shellcheck disable=SC2046  # a list of words
        say "For pillow-simd type this, and come again:
    $(install_command $(build_packages))"
    elif [ "$outcome" = no-packages ]; then
        say "$(build_packages | tr '\n' ' ')could not be installed,
    or the compiler fails all the same: see $state/headers.log and needs.log."
    else
        say "The build of pillow-simd failed: see $state/build.log and put-in-pillow-simd.log;
    COMANDA_PIL=simd tries again."
    fi
}

# Said at every run, so that nobody measures the slow engine unawares.
remind() {
    outcome=$(cat "$state/engine")
    outcome=${outcome##* }
    [ "$outcome" = got ] ||
        say "Pictures run on stock Pillow: the same pictures, several times slower to resize. $(remedy)"
}

# ---- stock Pillow, for the tests on the other engine --------------------------------------------

beside=.stock-pillow
beside_key() { say "$(fingerprint requirements/pillow-stock.lock) $(version_of "$venv/bin/python")"; }
beside_current() {
    [ "$profile" = run ] || [ "$(cat $beside/.stamp 2>/dev/null)" = "$(beside_key)" ]
}
install_beside() {
    rm -rf "$beside"
    step beside "stock Pillow in $beside, for the tests on both engines" \
        "$venv/bin/python" -m pip install --require-hashes --no-deps --target "$beside" \
        -r requirements/pillow-stock.lock ||
        die "stock Pillow could not be installed. If the network failed, come again"
    beside_key >"$beside/.stamp"
}

# ---- Chromium, for the tests in a browser -------------------------------------------------------

browser_packages() {
    if command -v apt-get >/dev/null; then say chromium chromium-driver; else say chromium chromedriver; fi
}
# Tried once: without it those tests are skipped and say why, and the others are none the worse.
browser_current() {
    [ "$profile" != test ] || command -v chromedriver >/dev/null || stamped browser tried || ! can_install
}
install_browser() {
    # shellcheck disable=SC2046  # words, not one word
    step browser "Chromium, for the tests in a browser" install_system $(browser_packages) ||
        say "    The tests in a browser will be skipped."
    stamp browser tried
}

# ---- Comanda itself -----------------------------------------------------------------------------

comanda_key() { fingerprint pyproject.toml; }
comanda_current() { stamped comanda "$(comanda_key)"; }
install_comanda() {
    changing
    step comanda "Comanda itself, as it lies here" \
        "$venv/bin/python" -m pip install --no-deps -e . || {
        changed # pip left no trace of it
        die "Comanda itself could not be installed. If the network failed, come again"
    }
    changed
    stamp comanda "$(comanda_key)"
}

# ---- the order of it all ------------------------------------------------------------------------

current() {
    venv_usable && packages_current && engine_current && comanda_current && beside_current &&
        browser_current
}

# One set-up at a time: a lock on this very file, held by this shell until it and its children end.
take_turn() {
    exec 9<"$script"
    "$python" -c '
import fcntl
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Another set-up is at work in this directory; waiting for it.", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
'
}

case $profile in run | test | image) ;; *) die "say what for: sh $script run, test or image" ;; esac
choose_engine
if current; then
    remind
    exit 0
fi

if [ ! -w . ] || { [ -e "$venv" ] && [ ! -w "$venv" ]; }; then
    die "$root is not yours to write; come as its owner, or clone it again"
fi
[ "$(uname -s)" = Linux ] ||
    say "Made for Linux. On $(uname -s): stock Pillow, and the embedded servers may be missing."
find_python
take_turn
say "Setting Comanda up"
started=$(date +%s)
venv_usable || make_venv
mkdir -p "$state"
packages_current || install_packages
engine_current || install_engine
beside_current || install_beside
browser_current || install_browser
comanda_current || install_comanda
say "Set up in $(($(date +%s) - started)) s"
remind
