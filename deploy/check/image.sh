#!/bin/sh
# Runs the Dockerfile's steps without a container engine, as root: a fresh Debian 12 by debootstrap, its RUN lines and COPY
# lines in order, then `python -m parley schema` as user 10001 on a root filesystem that is read-only.
# Needs: debootstrap, unshare (util-linux). It takes minutes, so `make check-deploy` does not run it.
#
#   deploy/check/image.sh FOLDER      FOLDER: empty, or a Debian tree that debootstrap made
#
# /etc/pip.conf of this machine and PIP_… variables are used for the installation and removed after it.
set -eu
folder=${1:?"Name a folder for the image: deploy/check/image.sh FOLDER"}
code=$(cd "$(dirname "$0")/../.." && pwd)
for tool in debootstrap unshare; do
    command -v "$tool" >/dev/null || { echo "deploy/check/image.sh needs $tool: apt-get install debootstrap util-linux" >&2; exit 2; }
done
[ -x "$folder/bin/sh" ] || debootstrap --variant=minbase --include=ca-certificates bookworm "$folder"
mkdir -p "$folder/tmp/image" "$folder/opt/parley/code"
cp /etc/resolv.conf "$folder/etc/resolv.conf"
cp "$code/deploy/image/base.sh" "$code/deploy/image/packages.sh" "$code/requirements/base.txt" "$folder/tmp/image/"
if [ -d "${PIP_FIND_LINKS:-}" ]; then mkdir -p "$folder$PIP_FIND_LINKS"; cp -r "$PIP_FIND_LINKS/." "$folder$PIP_FIND_LINKS/"; fi
if [ -f /etc/pip.conf ]; then cp /etc/pip.conf "$folder/etc/pip.conf"; fi
cp /etc/ssl/certs/ca-certificates.crt "$folder/tmp/image/certificates.crt"

# Of this machine, where it trusts more than Debian does.
trusted=/tmp/image/certificates.crt
inside() { chroot "$folder" env PATH=/usr/sbin:/usr/bin:/sbin:/bin PIP_CERT="$trusted" REQUESTS_CA_BUNDLE="$trusted" "$@"; }
[ -x "$folder/usr/bin/python3" ] || inside sh /tmp/image/base.sh
inside sh /tmp/image/packages.sh
rm -rf "$folder/tmp/image" "$folder/etc/pip.conf"
# What .dockerignore lets through.
for part in parley workers resolvers subscriptions schema models migrations explorer schema.graphql; do
    cp -r "$code/$part" "$folder/opt/parley/code/"
done
find "$folder/opt/parley/code" -name __pycache__ -type d -prune -exec rm -rf {} +

# Arguments after FOLDER replace `schema`; settings come from the environment.
shift
unshare --mount sh -ceu '
    folder=$1; shift
    mount --bind "$folder" "$folder"
    mount -o remount,bind,ro "$folder"
    mount -t proc proc "$folder/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$folder/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$folder/dev"
    mknod -m 666 "$folder/dev/null" c 1 3; mknod -m 666 "$folder/dev/urandom" c 1 9
    cd /
    exec chroot --userspec=10001:10001 "$folder" /bin/sh -ceu "
        cd /opt/parley/code
        export PATH=/opt/parley/packages/bin:\$PATH PYTHONDONTWRITEBYTECODE=1
        if touch /opt/parley/code/written 2>/dev/null; then echo The root filesystem can be written. >&2; exit 1; fi
        exec python -m parley \"\$@\"" parley "$@"
' sh "$folder" "${@:-schema}"
