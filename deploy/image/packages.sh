#!/bin/sh
# Installs what requirements/base.txt pins by hash into /opt/parley/packages, and nothing else. It runs as root in what base.sh
# made, in a stage that is thrown away: compilers and pip do not get into the image. PIP_… variables are pip's own.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv
rm -rf /var/lib/apt/lists/*
# All come as wheels but http-ece, which is Python alone and is published as source only.
python3 -m venv /opt/parley/packages
python=/opt/parley/packages/bin/python
$python -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary :all: --no-binary http-ece --requirement "$(dirname "$0")/base.txt"
# Compiled by pip while it installs, since the image cannot be written to later. Nobody installs anything there.
$python -m pip --disable-pip-version-check uninstall --quiet --yes pip setuptools
