"""Push as this process is set up for it: its providers, and what clients may ask for."""

from functools import partial

from models.push.addresses import PushEndpointKind, PushRules
from models.users.sms_numbers import SmsRules
from parley.settings import Settings, SettingsError
from workers.push.providers.providers import Providers, open_providers
from workers.push.providers.public_network import check_push_url
from workers.push.providers.web_push import WebPush


def open_push_providers(settings: Settings) -> Providers:
    """Open the clients of the providers that are configured.

    Raises:
        SettingsError: a key cannot be read.
    """
    try:
        return open_providers(settings.providers)
    except ValueError as error:
        raise SettingsError(f"A PARLEY_ setting of push cannot be used: {error}.") from None


async def read_push_rules(settings: Settings) -> PushRules:
    """Return which kinds of endpoint devices may set here, and their rules.

    Raises:
        SettingsError: a key is none.
    """
    # To know what can be used; nothing is connected to.
    providers = open_push_providers(settings)
    web_push = providers.find(PushEndpointKind.WEB_PUSH)
    allow_internal = settings.providers.web_push_allow_internal
    rules = PushRules(
        frozenset(provider.kind for provider in providers),
        web_push.public_key if isinstance(web_push, WebPush) else None,
        SmsRules(settings.providers.sms_countries),
        partial(check_push_url, allow_internal=allow_internal),
    )
    await providers.close()
    return rules
