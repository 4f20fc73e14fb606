"""The documents of the kit, beside those of the reducer. Select what your screens show."""

from clients.python.reducer import MESSAGE

REFUSAL = "... on Refusal { code reason field retryAfterMs }"
TOKENS = "... on Session { accessToken refreshToken isNewUser user { id } }"

REQUEST_CODE = f"""
mutation RequestCode($phoneNumber: PhoneNumber!) {{
  requestCode(input: {{phoneNumber: $phoneNumber}}) {{
    ... on RequestCodePayload {{ requestSecret developmentCode }} {REFUSAL} }} }}
"""
SIGN_IN = f"""
mutation SignIn($input: SignInInput!) {{ signIn(input: $input) {{ {TOKENS} {REFUSAL} }} }}
"""
REFRESH = f"""
mutation Refresh($refreshToken: String!) {{
  refreshSession(refreshToken: $refreshToken) {{ {TOKENS} {REFUSAL} }} }}
"""
SEND = f"""{MESSAGE}
mutation Send($input: SendMessageInput!) {{
  sendMessage(input: $input) {{ ... on SendMessagePayload {{ message {{ ...M }} }} {REFUSAL} }} }}
"""
ACKNOWLEDGE = f"""
mutation Acknowledge($streamId: ID!, $cursor: String!) {{
  acknowledge(input: {{streamId: $streamId, cursor: $cursor}}) {{
    ... on AcknowledgePayload {{ positions {{ channelId }} }} {REFUSAL} }} }}
"""
FIND = "query Find($numbers: [PhoneNumber!]!) { usersByPhone(phoneNumbers: $numbers) { id } }"
OPEN_CHAT = f"""
mutation OpenChat($userId: ID!) {{
  openChat(userId: $userId) {{ ... on OpenChatPayload {{ chat {{ id }} }} {REFUSAL} }} }}
"""
