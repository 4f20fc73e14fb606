"""Numbers that may get an SMS: those of people, in the countries that the operator allows.

No SMS goes to numbers whose owner earns from each SMS, or which no person reads: SMS pumping asks
for codes to such numbers.
"""

import msgspec
import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from models.refusals import invalid

COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)

_REFUSED = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
# phonenumbers' name of the region of calling codes without a country: satellites, freephone.
_NO_COUNTRY = phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY


class SmsRules(msgspec.Struct, frozen=True):
    """The countries to which SMS may go, as ISO 3166 codes ("DE"); None allows all."""

    countries: frozenset[str] | None = None


def require_sms_number(number: str, rules: SmsRules, field: str) -> None:
    """Refuse a number to which no SMS is sent.

    Raises:
        Refused: INVALID_INPUT naming the field: no SMS goes to numbers of this kind or country.
    """
    parsed = _parse(number)
    if (
        parsed is None
        or phonenumbers.number_type(parsed) in _REFUSED
        or _main_country(parsed) == _NO_COUNTRY
    ):
        raise invalid(
            "No SMS is sent to numbers of this kind (toll-free, premium rate, shared cost, pager "
            "and the like); use a mobile number.",
            field,
        )
    # A number that its country has not assigned has no region, and is on no list.
    if rules.countries is not None and (
        phonenumbers.region_code_for_number(parsed) not in rules.countries
    ):
        raise invalid("No SMS is sent to numbers of this country here.", field)


def country_of(number: str) -> str:
    """Return the ISO code of the number's country. For a number that is not assigned it is the main
    country of its calling code.
    """
    parsed = _parse(number)
    if parsed is None:
        return _NO_COUNTRY
    found: str | None = phonenumbers.region_code_for_number(parsed)
    return found or _main_country(parsed)


def _parse(number: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None


def _main_country(parsed: PhoneNumber) -> str:
    return str(phonenumbers.region_code_for_country_code(parsed.country_code or 0))
