"""`seed`: make people, chats and history in bulk, in development only; those of a running `dev` as
a rule.
"""

import argparse

from parley.embedded.running import with_running
from parley.logs import configure_logging
from parley.seed import main
from parley.settings import Settings, SettingsError, require_services


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    if not settings.development:
        raise SettingsError("PARLEY_ENV must be 'development' to make people who never signed in.")
    configure_logging(development=True)
    settings = with_running(settings)
    require_services(settings)
    return main(settings, arguments)
