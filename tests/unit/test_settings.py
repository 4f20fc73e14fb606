"""Settings: what cannot be used stops the start with one sentence that names it."""

import pytest

from parley.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    "given", ["loadbalancer", "10.0.0.0/40", "10.0.0.1/8", "10.0.0.1 10.0.0", "*", "[::1]"]
)
def test_a_trusted_proxy_is_an_address_or_a_network(given: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PARLEY_TRUSTED_PROXIES": given})

    sentence = str(refused.value)
    assert sentence.startswith("PARLEY_TRUSTED_PROXIES must be IP addresses or networks")
    assert repr(given.split()[-1]) in sentence
    assert "\n" not in sentence


def test_trusted_proxies_are_listed_with_spaces_or_commas() -> None:
    settings = read_settings({"PARLEY_TRUSTED_PROXIES": "10.0.0.0/8, ::1 192.0.2.7"})

    assert settings.trusted_proxies == ("10.0.0.0/8", "::1", "192.0.2.7")


def test_mails_need_the_address_that_their_links_begin_with() -> None:
    mail = {"PARLEY_SMTP_URL": "smtp://mail.example", "PARLEY_MAIL_FROM": "parley@mail.example"}
    with pytest.raises(SettingsError, match="^PARLEY_PUBLIC_URL must be set where PARLEY_SMTP_URL"):
        read_settings(mail)
    with pytest.raises(SettingsError, match=r"^PARLEY_PUBLIC_URL must begin with https://\."):
        read_settings(mail | {"PARLEY_PUBLIC_URL": "http://chat.example"})

    given = read_settings(mail | {"PARLEY_PUBLIC_URL": "https://chat.example"})
    at_home = read_settings(mail | {"PARLEY_ENV": "development", "PARLEY_PORT": "8123"})

    assert (given.public_url, at_home.public_url) == (
        "https://chat.example",
        "http://127.0.0.1:8123",
    )


@pytest.mark.parametrize("name", ["PARLEY_SECRET", "PARLEY_SECRET_PREVIOUS"])
def test_a_secret_has_at_least_32_characters(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must have at least 32 characters"):
        read_settings({name: "x" * 31})

    assert read_settings({"PARLEY_SECRET_PREVIOUS": "x" * 32}).secret_previous == "x" * 32
    assert read_settings({}).secret_previous is None


def test_the_countries_of_sms_are_iso_codes() -> None:
    assert read_settings({}).providers.sms_countries is None
    listed = read_settings({"PARLEY_SMS_COUNTRIES": "us, DE at"}).providers.sms_countries

    assert listed == frozenset({"US", "DE", "AT"})
    with pytest.raises(SettingsError, match=r"^PARLEY_SMS_COUNTRIES must be ISO 3166 .*'UK'"):
        read_settings({"PARLEY_SMS_COUNTRIES": "US UK"})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("PARLEY_MEDIA_PREVIEW_FORMAT", "PNG"),
        ("PARLEY_MEDIA_ORIGINALS", "some"),
        ("PARLEY_MEDIA_SANDBOX", "off"),
        ("PARLEY_MEDIA_VIDEO_S", "0"),
        ("PARLEY_MEDIA_CHILD_MEGABYTES", "64"),
    ],
)
def test_a_setting_of_media_that_cannot_be_is_named(name: str, given: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be "):
        read_settings({name: given})


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({}, True),
        ({"PARLEY_ENV": "development"}, False),
        ({"PARLEY_MEDIA_SANDBOX": "prefer"}, False),
        ({"PARLEY_ENV": "development", "PARLEY_MEDIA_SANDBOX": "require"}, True),
    ],
)
def test_the_media_sandbox_is_required_in_production(given: dict[str, str], required: bool) -> None:
    assert read_settings(given).media_sandbox_required is required


def test_metrics_are_for_this_machine_unless_told_otherwise() -> None:
    everywhere = {"PARLEY_HOST": "0.0.0.0", "PARLEY_METRICS_PORT": "9100"}

    assert read_settings(everywhere).metrics_host == "127.0.0.1"
    assert read_settings({**everywhere, "PARLEY_METRICS_HOST": "::"}).metrics_host == "::"


def test_the_explorer_is_on_in_development_only() -> None:
    assert read_settings({"PARLEY_ENV": "development"}).explorer
    assert not read_settings({}).explorer
    assert read_settings({"PARLEY_EXPLORER": "1"}).explorer
    with pytest.raises(SettingsError, match="PARLEY_EXPLORER must be 0 or 1"):
        read_settings({"PARLEY_EXPLORER": "yes"})


@pytest.mark.parametrize("name", ["PARLEY_HOST", "PARLEY_OWN_HOST"])
def test_development_listens_elsewhere_only_when_told(name: str) -> None:
    elsewhere = {"PARLEY_ENV": "development", name: "10.0.0.7"}
    with pytest.raises(SettingsError, match=f"^{name} must be a loopback address in development"):
        read_settings(elsewhere)

    read_settings(elsewhere | {"PARLEY_DEVELOPMENT_OPEN": "1"})
    assert read_settings({"PARLEY_OWN_HOST": "10.0.0.7"}).own_host == "10.0.0.7"


def test_only_production_stays_open_for_balancers_before_it_ends() -> None:
    assert read_settings({}).drain_s == 3
    assert read_settings({"PARLEY_ENV": "development"}).drain_s == 0
    assert read_settings({"PARLEY_ENV": "development", "PARLEY_DRAIN_S": "2.5"}).drain_s == 2.5
