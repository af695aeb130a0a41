#!/bin/sh
# Makes .venv of requirements.lock, a line a step; `./setup.sh uv` stops when there is uv, which does the installing
set -eu
cd "$(dirname "$0")"

OLDEST=11 NEWEST=14 # requires-python in pyproject.toml
SERVES="Python 3.$OLDEST to 3.$NEWEST"
RANGE=">=3.$OLDEST,<3.$((NEWEST + 1))"
DOWNLOADED=3.12 # where there is none: the newest for which no test is skipped
PYTHON=${PYTHON:-python3}
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-300}" # seconds without a byte; 30, which is uv's own, is short for a slow link

say() { echo "setup: $*"; }
fail() {
	echo "error: $*" >&2
	exit 1
}

version() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }
fits() { "$1" -c "import sys; sys.exit(not (3, $OLDEST) <= sys.version_info[:2] <= (3, $NEWEST))" 2>/dev/null; }

# The PATH's uv; else PyPI's, which any Python of the last years can install
get_uv() {
	[ ! -x .tools/bin/uv ] || return 0
	if command -v uv >/dev/null; then
		say "taking $(command -v uv)"
		mkdir -p .tools/bin
		ln -sf "$(command -v uv)" .tools/bin/uv
		return
	fi
	version "$PYTHON" >/dev/null ||
		fail "$PYTHON does not run, and there is no uv, which could get one; install $SERVES and run make PYTHON=/path/to/it"
	"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
		fail "$PYTHON lacks the module venv; run make again after \`apt install python3-venv\` (Debian, Ubuntu)"
	say "getting uv, which installs the rest"
	"$PYTHON" -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check uv ||
		fail "uv could not be had from PyPI; run make again with a network, or install uv yourself"
}

# Sets `python`: $PYTHON where it serves, else another of this machine, else one that uv downloads
choose_python() {
	if fits "$PYTHON"; then
		python=$(command -v "$PYTHON")
		return
	fi
	is=$(version "$PYTHON") && is="is Python $is" || is="does not run"
	python=$(.tools/bin/uv python find --system "$RANGE" 2>/dev/null) || python=
	if [ -z "$python" ]; then
		say "$PYTHON $is, where $SERVES serves: downloading Python $DOWNLOADED (some 30 MB)"
		why=$(.tools/bin/uv python install "$DOWNLOADED" 2>&1) && python=$(.tools/bin/uv python find --system "$DOWNLOADED") ||
			fail "$PYTHON $is, and Python $DOWNLOADED could not be downloaded ($(echo "$why" | sed -n '$s/^ *\(cause: \)*//p')); install $SERVES and run make PYTHON=/path/to/it"
	else
		say "$PYTHON $is, where $SERVES serves: taking $python"
	fi
}

began=$(date +%s)
get_uv
[ "${1:-}" != uv ] || exit 0
if fits .venv/bin/python; then
	say "keeping .venv, with Python $(version .venv/bin/python)"
else
	rm -rf .venv
	choose_python
	say "making .venv with Python $(version "$python")"
	.tools/bin/uv venv --quiet --python "$python" .venv
fi
say "downloading (the first time 3 GB) and installing the packages of requirements.lock, $(grep -c '^[a-z].*==' requirements.lock) at most"
[ -t 2 ] && quiet= || quiet=--quiet # uv's own progress is for someone who watches
.tools/bin/uv pip sync $quiet --python .venv requirements.lock ||
	fail "not all of requirements.lock could be installed (why: above); run make again: what was downloaded is kept"
say "installing learned-symmetry itself"
.tools/bin/uv pip install --quiet --python .venv --no-deps --editable . ||
	fail "learned-symmetry itself could not be installed (why: above); run make again"
say "done, in $(($(date +%s) - began)) s"
