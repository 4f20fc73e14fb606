"""`dev`: everything that Parley needs, in one data directory, under one supervisor."""

import argparse
import contextlib

from parley.commands.terminal import address, announce, say
from parley.embedded.folder import Folder
from parley.embedded.kept_ports import KeptPorts
from parley.embedded.servers import Servers
from parley.embedded.services import ServicesFile
from parley.ports import reserve
from parley.settings import Settings, read_environment
from parley.supervision.processes import Migrations, Worker, api_parts
from parley.supervision.supervisor import SupervisionPlan, Supervisor

# Would lead our S3 client to other credentials than those of the embedded endpoint.
ELSEWHERE = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    with (
        contextlib.closing(Folder(settings.data_dir)) as folder,
        reserve(settings.host, settings.port) as reserved,
    ):
        port = reserved.getsockname()[1]
        servers = Servers(folder, settings)
        plan = _plan(settings, folder, servers, port)

        with ServicesFile(folder, servers, plan) as services:
            supervisor = Supervisor(
                plan,
                say=say,
                ready=lambda: announce(address(settings.host, port)),
                changed=services.write,
            )
            return supervisor.run()


def _plan(settings: Settings, folder: Folder, servers: Servers, port: int) -> SupervisionPlan:
    environment = _environment(settings, folder, servers, port)
    names = [f"api {number}" for number in range(1, settings.api_processes + 1)]
    *own_ports, worker_port = KeptPorts(folder.ports_path).assign([*names, "worker"]).values()
    return SupervisionPlan(
        servers=servers.parts,
        migrations=Migrations(environment),
        apis=api_parts(settings, environment, own_ports),
        workers=[Worker(settings, environment, port=worker_port)],
    )


def _environment(settings: Settings, folder: Folder, servers: Servers, port: int) -> dict[str, str]:
    """Return the environment of our own processes; the operator's settings pass through."""
    inherited = read_environment()
    if not settings.s3_endpoint_url:
        inherited = {name: value for name, value in inherited.items() if name not in ELSEWHERE}
    return {
        **inherited,
        **servers.environment(),
        "PARLEY_ENV": settings.environment,
        "PARLEY_PORT": str(port),
        "PARLEY_DATA_DIR": str(folder.path),
        "PARLEY_SECRET": settings.secret or servers.credentials.secret,
    }
