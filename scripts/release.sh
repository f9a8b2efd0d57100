#!/usr/bin/env bash
# Makes a release on this machine: scripts/release.sh VERSION [--dry-run | --artefacts]
#
# Version and changelog, checks and tests, wheel and sdist built twice with equal digests, a smoke test of the wheel in
# an environment of its own, a list of all that is in it (CycloneDX), formula and cask, checksums, commit and tag.
# Nothing leaves the machine: what is left to do is printed. With --dry-run every command is printed and none is run;
# with --artefacts only those of the commit that is checked out are made, in dist/ beside the bundles that lie there.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${1:-}
mode=${2:-}
work=build/release
python=.venv/bin/python
# Where the artefacts will lie; `v` and the version are put behind it.
address=${MLX_GUI_RELEASES:-ADDRESS}

main() {
    [ "$#" -le 2 ] && [ -n "$version" ] || fail "usage: scripts/release.sh VERSION [--dry-run | --artefacts]"
    case $mode in "" | --dry-run | --artefacts) ;; *) fail "unknown: $mode" ;; esac
    run scripts/setup.sh --test
    if [ "$mode" != --artefacts ]; then
        run "$python" -m scripts.releasing check "$version"
        [ "$mode" = --dry-run ] || check_repository
        run "$python" -m scripts.releasing prepare "$version"
        run make test
        run git commit --quiet --all --message "release: $version"
    fi
    run "$python" -m scripts.releasing is "$version"
    make_artefacts
    [ "$mode" != --artefacts ] || return 0
    run git tag --annotate "v$version" --file "$work/notes.md"
    say "what is left: git push origin main v$version; the workflow makes a draft of it with the bundles"
}

make_artefacts() {
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
    run rm -rf "$work"
    run mkdir -p "$work" dist
    run_in_shell "rm -f dist/mlx_gui-*"
    build one
    build two
    run "$python" -m scripts.releasing same "$work/one/dist" "$work/two/dist"
    run_in_shell "cp $work/one/dist/* dist/"
    run cp requirements/run.txt "dist/mlx_gui-$version.requirements.txt"
    smoke_test
    list_contents
    run "$python" -m scripts.homebrew --version "$version" --from dist --into dist/homebrew \
        --address "$address/v$version"
    run tar -C dist -czf "dist/mlx_gui-$version.homebrew.tar.gz" homebrew
    run "$python" -m scripts.releasing sums dist
    run_in_shell "$python -m scripts.releasing notes $version >$work/notes.md"
}

check_repository() {
    [ -z "$(git status --porcelain)" ] || fail "the working tree has changes that are in no commit"
    [ "$(git branch --show-current)" = main ] || fail "releases are made of main"
    ! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || fail "there is a tag v$version already"
}

# From the files of the commit alone, in a folder of its own.
build() {
    run mkdir -p "$work/$1"
    run_in_shell "git archive HEAD | tar -x -C $work/$1"
    run "$python" -m build --no-isolation --outdir "$work/$1/dist" "$work/$1"
}

smoke_test() {
    run "$python" -m venv "$work/env"
    run "$work/env/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --no-deps --only-binary :all: --requirement requirements/run.txt
    run_in_shell "$work/env/bin/python -m pip install --quiet --no-deps --no-index dist/*.whl"
    run "$python" -m scripts.smoke "$work/env/bin/mlx-gui"
}

list_contents() {
    run "$python" -m venv "$work/sbom"
    run "$work/sbom/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --no-deps --only-binary :all: --requirement requirements/release.txt
    # It reads the version there and nowhere else.
    run_in_shell "sed 's/^dynamic = .\"version\".\$/version = \"$version\"/' pyproject.toml >$work/pyproject.toml"
    run "$work/sbom/bin/cyclonedx-py" environment "$work/env/bin/python" --pyproject "$work/pyproject.toml" \
        --output-reproducible --output-format JSON --output-file "dist/mlx_gui-$version.cdx.json"
    run "$python" -m scripts.releasing listed "dist/mlx_gui-$version.cdx.json"
}

run() {
    say "$(printf '%q ' "$@")"
    [ "$mode" = --dry-run ] || "$@"
}

run_in_shell() {
    say "$1"
    [ "$mode" = --dry-run ] || bash -euo pipefail -c "$1"
}

say() { echo "release: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

main "$@"
