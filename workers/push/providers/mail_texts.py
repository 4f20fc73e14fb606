"""Texts and headers of mails. Plain text only; no text of ours or of anybody's becomes a
header.

Names come from people who may want the reader to follow a link, so that nothing in them is left
that a mail program would make one of: no address, domain, scheme or phone number.
"""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from models.push.mails import CodeMail
from workers.push.providers.pushes import Push

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_URL = re.compile(r"(https?://|mailto:)[!-;=?-~]{1,2000}", re.ASCII)
_POLICY = SMTP_POLICY.clone(cte_type="7bit")

_AT = re.compile(r"(?<=\S)[@\uff20\ufe6b](?=\S)")
# A dot in any of the forms that browsers take for one.
_DOT = re.compile(r"(?<=\S)[.\u2024\u3002\ufe52\uff0e\uff61](?=\S)")
_SCHEME = re.compile(r"(?<=\S)[:\ufe55\uff1a](?=\S)")
_SLASHES = re.compile(r"[/\\\u2044\u2215\uff0f]{2,}")
_PHONE = re.compile(r"(\+?\d)(?:[\s().\-/]*\d){6,}")


def unlink(name: str) -> str:
    """Return the name, in one line, with nothing in it that a mail program makes a link of."""
    name = _AT.sub(" at ", _PHONE.sub(r"\1…", _CONTROL.sub(" ", name)))
    return " ".join(_SLASHES.sub(" ", _SCHEME.sub(" ", _DOT.sub(" ", name))).split())


def compose_digest(push: Push, sender: Address, recipient: str) -> EmailMessage:
    """Return the mail for a push. Those of one thread are one conversation."""
    title = _CONTROL.sub(" ", push.title or "")
    message = _begin(title, sender, recipient, str(uuid.UUID(push.id)), push.unsubscribe_url)
    conversation = hashlib.sha256(push.thread.encode()).hexdigest()[:32]
    for header in ("In-Reply-To", "References"):
        message[header] = f"<{conversation}@{sender.domain}>"
    text = (push.body or "") + "\n"
    if push.unsubscribe_url:
        text += f"\nNo more of these mails: {push.unsubscribe_url}\n"
    message.set_content(text)
    return message


def compose_code(
    mail: CodeMail, sender: Address, recipient: str, unsubscribe_url: str
) -> EmailMessage:
    """Return the mail with a code. It names nobody: who asked may be anybody."""
    minutes = max(1, int(mail.ttl_s // 60))
    title = f"{mail.code} is your code to confirm this address"
    message = _begin(title, sender, recipient, mail.id, unsubscribe_url)
    message.set_content(
        f"{mail.code} is the code with which Parley may send notices of unread messages to this "
        f"address.\nIt works for {minutes} minutes. Do not give it to anybody.\n\n"
        "You did not ask for it? Then do nothing: without the code nothing more is sent.\n"
        f"No more of these codes: {unsubscribe_url}\n"
    )
    return message


def _begin(
    title: str, sender: Address, recipient: str, id: str, unsubscribe_url: str | None
) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = title
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{id}@{sender.domain}>"
    # RFC 3834: nobody's absence is to be answered with.
    message["Auto-Submitted"] = "auto-generated"
    if unsubscribe_url and _URL.fullmatch(unsubscribe_url):
        # RFC 8058: mail programs show a button, which posts there.
        message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        if not unsubscribe_url.startswith("mailto:"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message
