#!/usr/bin/env bash
# Pins every dependency, with hashes, for all supported platforms. UPGRADE=1 moves to newer releases.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
"$python" -m pip install --quiet uv

compile() {
    "$python" -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@"
}

# What builds and installs the package; pip is here too because setup.sh renews it first.
build_requires() {
    "$python" - <<'END'
import tomllib
from pathlib import Path

print(*tomllib.loads(Path("pyproject.toml").read_text())["build-system"]["requires"], "pip", sep="\n")
END
}

compile pyproject.toml --output-file requirements/run.txt
compile --group test --constraint requirements/run.txt --output-file requirements/test.txt
compile --group release --constraint requirements/run.txt --constraint requirements/test.txt \
    --output-file requirements/release.txt
# The servers to compare with are measured as they are installed: with all that they name.
compile --no-config --group bench --constraint requirements/run.txt --constraint requirements/test.txt \
    --output-file requirements/bench.txt
compile pyproject.toml --group bundle --extra tray --constraint requirements/run.txt --constraint requirements/test.txt \
    --output-file requirements/bundle.txt
build_requires | compile - --constraint requirements/run.txt --constraint requirements/test.txt \
    --output-file requirements/build.txt

# The oldest systems that MLX has wheels for.
export MACOSX_DEPLOYMENT_TARGET=14.0
for python_version in 3.11 3.12 3.13 3.14; do
    for platform in x86_64-manylinux_2_35 aarch64-manylinux_2_35 aarch64-apple-darwin; do
        echo "checking that Python $python_version on $platform gets wheels only"
        "$python" -m uv pip compile --quiet --only-binary :all: --no-header \
            --python-version "$python_version" --python-platform "$platform" \
            requirements/run.txt requirements/test.txt requirements/build.txt >/dev/null
        "$python" -m uv pip compile --quiet --only-binary :all: --no-header \
            --python-version "$python_version" --python-platform "$platform" \
            requirements/bench.txt >/dev/null
        # One package has no wheel: setup.sh builds it.
        "$python" -m uv pip compile --quiet --only-binary :all: --no-binary proxy-tools --no-header \
            --python-version "$python_version" --python-platform "$platform" \
            requirements/bundle.txt >/dev/null
    done
done
