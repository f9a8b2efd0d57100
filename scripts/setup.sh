#!/usr/bin/env bash
# Makes .venv hold the pinned dependencies and this clone; with --test, what the tests need too. With
# --bench, what they need, and .venv-bench with the servers that the benchmarks compare with. With
# --bundle, .venv-bundle with what goes into the standalone app and what makes it.
# A run that finds everything in place takes well under a second and needs no network.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH=$PATH:/usr/sbin:/sbin
with_tests= with_bench= with_bundle=
case "${1:-}" in
    --test) with_tests=1 ;;
    --bench) with_tests=1 with_bench=1 ;;
    --bundle) with_bundle=1 ;;
esac

main() {
    check_machine
    local host_python
    host_python=$(find_python)
    make_venv .venv "$host_python"
    install_pins .venv run requirements/build.txt requirements/run.txt
    local programs=
    if [ -n "$with_tests" ]; then
        # Beside the rest: they take as long.
        programs_of_tests &
        programs=$!
        install_pins .venv test requirements/test.txt
    fi
    install_package
    .venv/bin/python -m compileall -q src
    [ -z "$programs" ] || wait "$programs"
    [ -z "$with_bench" ] || make_bench "$host_python"
    [ -z "$with_bundle" ] || make_bundle "$host_python"
}

# An environment of its own: what mlx-vlm brings is not for the product, which would find the BLAS
# inside of OpenCV.
make_bench() {
    make_venv .venv-bench "$1"
    install_pins .venv-bench bench requirements/bench.txt
}

# An environment of its own: all that it holds may go into the app. One package has no wheel: the
# window of macOS wants it.
make_bundle() {
    local pins=requirements/bundle.txt
    make_venv .venv-bundle "$1"
    pins_of drop proxy-tools $pins >.venv-bundle/wheels.txt
    install_pins .venv-bundle bundle .venv-bundle/wheels.txt
    [ "$(uname -s)" = Darwin ] || return 0
    is_done .venv-bundle kernels "$(kernels)" && return
    pins_of keep proxy-tools $pins >.venv-bundle/sources.txt
    say "building proxy-tools"
    pip_install .venv-bundle --no-binary :all: --no-build-isolation --requirement .venv-bundle/sources.txt
    # mlx-metal has a wheel for each macOS, and pip takes the newest that runs here; an app with that
    # ends on an older one.
    pins_of keep 'mlx|mlx-metal' $pins >.venv-bundle/kernels.txt
    say "installing the kernels for macOS $(macos_of_kernels)"
    pip_install .venv-bundle --only-binary :all: --platform "macosx_$(macos_of_kernels)_0_arm64" \
        --upgrade --target "$(.venv-bundle/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
        --requirement .venv-bundle/kernels.txt
    mark_done .venv-bundle kernels "$(kernels)"
}

kernels() { echo "$(macos_of_kernels) $(cksum requirements/bundle.txt)"; }

macos_of_kernels() {
    if [ "${NEWEST_KERNELS:-}" = 1 ]; then sw_vers -productVersion | cut -d . -f 1; else echo 14; fi
}

# Prints the pins of some packages, or of all others, with their hashes: pins_of keep|drop names file
pins_of() {
    awk -v names="^($2)==" -v keeps="$1" '/^[a-z0-9]/ { on = ($0 ~ names) == (keeps == "keep") } on' "$3"
}

pip_install() {
    local venv=$1
    shift
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --no-deps "$@"
}

check_machine() {
    case "$(uname -s) $(uname -m)" in
        "Darwin arm64")
            at_least 14 "$(sw_vers -productVersion)" || fail "MLX needs macOS 14 or newer." ;;
        "Linux x86_64" | "Linux aarch64")
            at_least 2.35 "$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2)" ||
                fail "MLX needs glibc 2.35 or newer, as in Debian 12 and Ubuntu 22.04." ;;
        *) fail "MLX has no build for $(uname -sm): use a Mac with Apple silicon, or Linux on x86-64 or arm64." ;;
    esac
}

# Prints the interpreter below any active environment: .venv may be active and about to be remade.
find_python() {
    local name
    for name in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14; do
        "$name" -c 'import sys; assert sys.version_info >= (3, 11); print(sys._base_executable)' \
            2>/dev/null && return
    done
    fail "mlx-gui needs Python 3.11 or newer. Install one, or name it: make ... PYTHON=/path/to/python3.12"
}

# The environment's scripts name its own folder, so a moved clone or another Python starts afresh.
make_venv() {
    local venv=$1 python=$2 identity
    identity=$(pwd -P; "$python" -c 'import sys; print(sys.base_prefix, sys.version)')
    is_done "$venv" venv "$identity" && return
    "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv ||
        fail "This Python cannot make environments. On Debian and Ubuntu: apt install python3-venv"
    say "creating $venv with $("$python" --version); the first time takes a minute or two"
    "$python" -m venv --clear "$venv"
    mark_done "$venv" venv "$identity"
}

install_pins() {
    local venv=$1 stage=$2 pins
    shift 2
    pins=$(cksum "$@")
    is_done "$venv" "$stage" "$pins" && return
    [ "$stage" != run ] || want_openblas
    local file
    for file in "$@"; do
        say "installing $file"
        pip_install "$venv" --only-binary :all: --requirement "$file"
    done
    mark_done "$venv" "$stage" "$pins"
}

# The package's build hook also builds the web interface, so a change of its sources counts.
install_package() {
    local sources
    sources=$(find pyproject.toml hatch_build.py web \
        \( -name node_modules -o -name .cache \) -prune -o -type f -exec cksum {} + | sort)
    [ -d src/mlx_gui/web/static ] && is_done .venv package "$sources" && return
    say "installing mlx-gui and building its web interface"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --no-deps --no-build-isolation --editable .
    mark_done .venv package "$sources"
}

# MLX computes about ten times faster on a Linux CPU when it finds OpenBLAS; it runs without.
want_openblas() {
    [ "$(uname -s)" = Linux ] || return 0
    case "$(ldconfig -p 2>/dev/null)" in *libopenblas.so.0*) return 0 ;; esac
    apt_install libopenblas0-pthread ||
        say "going on without OpenBLAS: models run several times slower on the CPU. On Debian and Ubuntu: apt install libopenblas0-pthread"
}

# What is missing comes in one go, or where that fails one by one.
programs_of_tests() {
    local missing=
    has_chromium || missing="chromium-headless-shell fonts-dejavu-core"
    has ffmpeg || missing="$missing ffmpeg"
    has ruby || missing="$missing ruby"
    has_desktop || missing="$missing xvfb dbus-daemon"
    # shellcheck disable=SC2086
    [ -z "$missing" ] || apt_install $missing || true
    need_chromium
    want_ffmpeg
    want_ruby
    want_desktop
}

has() { command -v "$1" >/dev/null; }

has_chromium() {
    has chromium-headless-shell || has chromium || has chromium-browser || has google-chrome ||
        [ -d "/Applications/Google Chrome.app" ]
}

has_desktop() { [ "$(uname -s)" != Linux ] || { has Xvfb && has dbus-daemon; }; }

need_chromium() {
    has_chromium || apt_install chromium-headless-shell fonts-dejavu-core ||
        apt_install chromium fonts-dejavu-core ||
        fail "The browser tests need Chromium or Chrome. On Debian: apt install chromium fonts-dejavu-core"
}

# Reads M4A, MP4 and WebM; the tests of these are skipped without.
want_ffmpeg() {
    has ffmpeg || apt_install ffmpeg ||
        say "going on without ffmpeg: tests of M4A, MP4 and WebM are skipped. On Debian and Ubuntu: apt install ffmpeg"
}

# Reads the formula and the cask of Homebrew; the test that it can is skipped without.
want_ruby() {
    has ruby || apt_install ruby ||
        say "going on without Ruby: Homebrew's formula is not read by it. On Debian and Ubuntu: apt install ruby"
}

# A bus and an X server, on which the tests have the tray; these are skipped without.
want_desktop() {
    has_desktop || apt_install xvfb dbus-daemon ||
        say "going on without Xvfb and D-Bus: tests of the tray are skipped. On Debian and Ubuntu: apt install xvfb dbus-daemon"
}

apt_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    say "installing $* with apt-get"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes
        --no-install-recommends -o DPkg::Lock::Timeout=120 "$@")
    "${install[@]}" >/dev/null 2>&1 || { apt-get update --quiet --quiet && "${install[@]}" >/dev/null; }
}

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

is_done() { [ "$(cat "$1/.done-$2" 2>/dev/null)" = "$3" ]; }

mark_done() { printf '%s\n' "$3" >"$1/.done-$2"; }

say() { echo "setup: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

main
