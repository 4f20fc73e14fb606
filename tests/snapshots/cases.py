"""The table of test_snapshots: all cases, and the mutations that have none."""

from tests.snapshots import groups, messages, settings

CASES = [*messages.CASES, *settings.CASES, *groups.CASES]

# Mutations without a case, and why.
EXEMPT = {
    "requestCode": "sends a code; changes nothing that anybody sees",
    "signIn": "makes a device of its own; test_viewer_state tells the others of it",
    "refreshSession": "changes the tokens of a device only",
    "setTyping": "is stored nowhere",
    "report": "is seen by nobody",
    "setPushEndpoint": "is the device's alone, and no snapshot's: test_push_endpoints",
    "confirmPushEmail": "is the device's alone, and no snapshot's: test_push_endpoints",
    "setPushSettings": "is the device's alone, and no snapshot's: test_push_endpoints",
    "createUpload": "is its owner's alone until it is sent: test_uploads",
    "completeUpload": "is its owner's alone until it is sent: test_uploads",
}
