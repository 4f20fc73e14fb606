"""Reads single variables of an environment; which there are is in `parley/settings.py`."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from models.users.sms_numbers import COUNTRIES


class SettingsError(Exception):
    """One sentence for the operator: which setting is missing or wrong, and what it must be."""


def read_words(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word for word in env.get(name, "").replace(",", " ").split() if word)


def read_switch(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    given = env.get(name) or ("1" if default else "0")
    if given not in ("0", "1"):
        raise SettingsError(f"{name} must be 0 or 1, not {given!r}.")
    return given == "1"


def read_networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    words = read_words(env, name)
    for word in words:
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise SettingsError(
                f"{name} must be IP addresses or networks (10.0.0.0/8), which {word!r} is not."
            ) from None
    return words


def read_countries(env: Mapping[str, str], name: str) -> frozenset[str] | None:
    words = frozenset(word.upper() for word in read_words(env, name))
    for word in sorted(words - COUNTRIES):
        raise SettingsError(
            f"{name} must be ISO 3166 codes of countries (US, DE), which {word!r} is not."
        )
    return words or None


def read_url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    url = env.get(name) or None
    if url and not url.startswith(schemes):
        raise SettingsError(f"{name} must begin with {' or '.join(schemes)}.")
    return url


def read_public_url(env: Mapping[str, str], *, development: bool) -> str | None:
    """Return where this server is reached from outside. Mail programs post to `https://` only."""
    schemes = ("https://", "http://") if development else ("https://",)
    url = read_url(env, "PARLEY_PUBLIC_URL", schemes)
    if url is None and env.get("PARLEY_SMTP_URL"):
        if not development:
            raise SettingsError(
                "PARLEY_PUBLIC_URL must be set where PARLEY_SMTP_URL is: the https:// address of "
                "this server, for the links in mails."
            )
        return f"http://127.0.0.1:{env.get('PARLEY_PORT') or 8000}"
    return url


def read_text(env: Mapping[str, str], name: str, begins: str) -> str | None:
    """A text that the variable holds, or names the file of."""
    given = env.get(name) or None
    if given is None:
        return None
    if given.lstrip().startswith(begins):
        # Some set variables on one line only.
        return given.replace("\\n", "\n") if begins.startswith("-") else given
    try:
        return Path(given).read_text("utf-8")
    except (OSError, ValueError):
        raise SettingsError(
            f"{name} must be a text that begins with {begins}, or the path of a file with one."
        ) from None
