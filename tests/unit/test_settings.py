"""Settings: what cannot be used stops the start with one sentence that names it."""

from dataclasses import fields
from pathlib import Path

import pytest

from models.limits.limits import Budget
from parley.configuration.media_settings import MediaSettings
from parley.settings import Settings, SettingsError, read_settings, require_services
from subscriptions.nodes.address import is_cluster, split_hosts
from workers.push.providers.settings import ProviderSettings

HIDDEN = "x7Hq-hidden-x7Hq-hidden-x7Hq-hidden"
# Each variable that holds a secret, with a value that it takes.
SECRETS = {
    "PARLEY_SECRET": HIDDEN,
    "PARLEY_SECRET_PREVIOUS": HIDDEN,
    "DATABASE_URL": f"postgresql://parley:{HIDDEN}@host/parley",
    "REDIS_URL": f"redis://:{HIDDEN}@host/0",
    "AWS_SECRET_ACCESS_KEY": HIDDEN,
    "AWS_SESSION_TOKEN": HIDDEN,
    "PARLEY_CLOUDFRONT_PRIVATE_KEY": f"-----BEGIN {HIDDEN}",
    "PARLEY_APNS_KEY": f"-----BEGIN {HIDDEN}",
    "PARLEY_FCM_SERVICE_ACCOUNT": f'{{"private_key": "{HIDDEN}"}}',
    "PARLEY_WEB_PUSH_PRIVATE_KEY": HIDDEN,
    "PARLEY_SMTP_URL": f"smtp://parley:{HIDDEN}@host",
}


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


def test_all_that_is_wrong_is_told_at_once() -> None:
    """An operator who mends one setting should not learn of the next by another start."""
    with pytest.raises(SettingsError) as refused:
        read_settings(
            {
                "PARLEY_ENV": "test",
                "PARLEY_PORT": "http",
                "PARLEY_MESSAGE_LENGTH": "-1",
                "PARLEY_CODES_OVERALL": "5/0",
                "PARLEY_SMTP_URL": "smtp://mail.example",
                "PARLEY_PUBLIC_URL": "chat.example",
            }
        )

    assert sorted(str(refused.value).splitlines()) == [
        "PARLEY_CODES_OVERALL must be between 1 and 2.14748e+09, not 0.",
        "PARLEY_ENV must be 'development' or 'production'.",
        "PARLEY_MAIL_FROM must be set where PARLEY_SMTP_URL is.",
        "PARLEY_MESSAGE_LENGTH must be between 0 and 9.0072e+15, not -1.",
        "PARLEY_PORT must be a number, not 'http'.",
        "PARLEY_PUBLIC_URL must begin with https:// or http://.",
    ]


def test_all_services_that_are_missing_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        require_services(Settings(redis_url="redis://here/0"))

    named = [line.partition(" ")[0] for line in str(refused.value).splitlines()]
    assert named == ["DATABASE_URL", "PARLEY_SECRET"]


def test_no_secret_is_in_what_is_printed_of_settings() -> None:
    others = {
        "PARLEY_CLOUDFRONT_KEY_ID": "K",
        "PARLEY_MEDIA_BASE_URL": "https://cdn.example",
        "PARLEY_APNS_KEY_ID": "K",
        "PARLEY_APNS_TEAM_ID": "T",
        "PARLEY_WEB_PUSH_SUBJECT": "mailto:somebody@mail.example",
        "PARLEY_MAIL_FROM": "parley@mail.example",
        "PARLEY_PUBLIC_URL": "https://chat.example",
    }

    settings = read_settings(SECRETS | others)

    assert HIDDEN in str(settings.providers.smtp_url)
    assert "cdn.example" in repr(settings)
    assert HIDDEN not in repr(settings)


def test_every_field_that_sounds_like_a_secret_is_hidden() -> None:
    """One that is added later is hidden, too."""
    kinds = (Settings, MediaSettings, ProviderSettings)
    sounding = ("secret", "password", "token", "private_key", "smtp_url", "database_url")

    shown = {
        each.name
        for kind in kinds
        for each in fields(kind)
        if each.repr and any(word in each.name for word in sounding)
    }

    assert shown == set()


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_no_secret_is_in_a_complaint(name: str) -> None:
    wrong = {**SECRETS, name: HIDDEN[:10]}

    with pytest.raises(SettingsError) as refused:
        read_settings(wrong)

    assert HIDDEN[:10] not in str(refused.value)


def test_what_is_set_to_nothing_is_not_set() -> None:
    empty = read_settings({"PARLEY_PORT": "", "PARLEY_ENV": "", "PARLEY_DATA_DIR": ""})

    assert (empty.port, empty.environment) == (8000, "production")
    assert empty.data_dir == Path(".parley").absolute()


def test_a_budget_is_a_count_and_seconds() -> None:
    def read(given: str) -> Budget:
        return read_settings({"PARLEY_CODES_PER_NUMBER": given}).limits.codes_per_number

    assert read("7/60") == Budget(amount=7, window_s=60)
    assert read("7") == Budget(amount=7, window_s=3600)
    with pytest.raises(SettingsError, match="^PARLEY_CODES_PER_NUMBER must be a number, not 'x'"):
        read("x/60")


@pytest.mark.parametrize("name", ["PARLEY_PUSH_SMS", "PARLEY_DEVELOPMENT_OPEN"])
def test_a_switch_is_off_at_0(name: str) -> None:
    off = read_settings({name: "0"})

    assert not off.providers.sms_enabled
    assert not off.development_open


def test_another_region_counts_where_the_first_is_not_set() -> None:
    regions = {"AWS_DEFAULT_REGION": "eu-west-1"}

    assert read_settings(regions).aws_region == "eu-west-1"
    assert read_settings(regions).providers.sns_region == "eu-west-1"
    assert read_settings(regions | {"AWS_REGION": "eu-north-1"}).aws_region == "eu-north-1"


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


@pytest.mark.parametrize(
    "address",
    [
        "redis://a:6379,b:6379",
        "rediss://user:word@a,b:7000,[::1]:7001/0?cluster=true",
        "redis://a?cluster=true",
    ],
)
def test_a_cluster_of_valkey_is_named_by_some_of_its_servers(address: str) -> None:
    assert read_settings({"REDIS_URL": address}).redis_url == address
    assert is_cluster(address)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("redis://a:6379,:6379", "by host and port"),
        ("redis://a:word,b:6379", "by host and port"),
        ("unix:///run/valkey?cluster=true", "by host and port"),
        ("redis://a,b/3", "number 0 only"),
        ("http://a,b", "must begin with redis://"),
    ],
)
def test_an_address_that_no_cluster_has_is_refused(address: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"^REDIS_URL .*{reason}"):
        read_settings({"REDIS_URL": address})


def test_the_servers_of_a_cluster_are_told_from_what_goes_for_all() -> None:
    hosts, of_one = split_hosts("rediss://user:a,b@one:1,two/0?cluster=true&ssl_cert_reqs=none")

    assert hosts == ["one:1", "two"]
    assert of_one == "rediss://user:a,b@one:1?ssl_cert_reqs=none"
    assert not is_cluster("redis://user:a,b@one:6379/0")
