#!/bin/sh
# What the image runs on: Python, certificates, and a user without rights. Run as root in Debian 12.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3
rm -rf /var/lib/apt/lists/*
groupadd --gid 10001 parley
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin parley
