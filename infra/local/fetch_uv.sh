#!/bin/sh
# Fetches uv into a folder, by version and hash: fetch_uv.sh FOLDER, from the top of the project.
#
# It needs Python and no root. uv comes by a virtual environment where Python can make one, else by pip into a folder,
# which is allowed where the distribution manages the system's Python, too. Debian and Ubuntu split both off: there apt
# fetches pip for this folder alone, with lists of its own, as the system's may be missing or another user's.
set -eu

tools=$1
pip="$tools/pip"

install() {
    python=$1
    shift
    "$python" -m pip install --quiet --require-hashes --only-binary :all: --requirement requirements-uv.lock "$@"
}

install_into_folder() {
    install python3 --target "$tools/lib"
    mkdir -p "$tools/bin"
    ln -sf ../lib/bin/uv "$tools/bin/uv"
}

fetch_pip() {
    rm -rf "$pip"
    mkdir -p "$pip/lists/partial" "$pip/archives/partial"
    (
        cd "$pip"
        apt() { apt-get -qq -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD" "$@"; }
        apt update && apt download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb .
    ) >&2
}

if ! command -v python3 >/dev/null; then
    echo 'make setup needs uv or python3; neither is installed.' >&2
    exit 1
fi
echo "Fetching uv into $tools"
if python3 -c 'import ensurepip, venv' 2>/dev/null; then
    python3 -m venv "$tools"
    install "$tools/bin/python"
elif python3 -m pip --version >/dev/null 2>&1; then
    install_into_folder
elif command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && fetch_pip; then
    PYTHONPATH=$(echo "$PWD/$pip"/usr/share/python-wheels/pip-*.whl) install_into_folder
    rm -rf "$pip"
else
    echo 'make setup needs uv, or a Python with venv or pip.' >&2
    echo 'On Debian and Ubuntu, as root: apt install python3-venv' >&2
    echo 'Anywhere, without root: curl -LsSf https://astral.sh/uv/install.sh | sh' >&2
    exit 1
fi
