"""How schemathesis calls the administration API: as an administrator that it must not lock out.

The worker is started, and the administrator made, by openapi.test.js.
"""

import os
import time
import uuid
from urllib.parse import unquote

import requests
import schemathesis

CLIENT_ID = os.environ["EDGEMINT_CLIENT_ID"]
CLIENT_SECRET = os.environ["EDGEMINT_CLIENT_SECRET"]
TOKEN_URL = os.environ["EDGEMINT_TOKEN_URL"]
# Seconds for which a token is used: a run changes how long tokens live, down to a minute.
TOKEN_USE = 20

# Rules between two values, which a schema cannot say: 400 with one of these details is as it should be.
RULES = (
    "a public application cannot keep a secret",
    "a public application cannot introspect",
    "reusable refresh tokens are for confidential applications",
    "a secret must end after it starts",
    "the idle lifetime is 60 seconds or more, and not above the absolute one",
    "is declared twice",
    "an application has 20 secrets at most",
    "a key starts a year from now at the latest",
    # Of a handle, only an authorization request makes a good one: tests/native/login.rs.
    "the handle of the authorization is not valid any more",
    # Lengths in bytes, where a schema counts characters.
    "expected 1 to 256 bytes of text",
    "a subject is 1 to 256 bytes of text",
    "an imported secret has at most 1024 bytes",
)


class Token:
    """The access token of the run."""

    def __init__(self):
        self.text = ""
        self.taken_at = 0.0

    def get(self):
        if time.monotonic() - self.taken_at > TOKEN_USE:
            form = {"grant_type": "client_credentials", "scope": "urn:edgemint:admin/.default"}
            auth = (CLIENT_ID, CLIENT_SECRET)
            answer = requests.post(TOKEN_URL, data=form, auth=auth, timeout=120)
            answer.raise_for_status()
            self.text = answer.json()["access_token"]
            self.taken_at = time.monotonic()
        return self.text


token = Token()


@schemathesis.auth(refresh_interval=None)
class Administrator:
    def get(self, case, context):
        return token.get()

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context, case):
    """Leaves the administrator of the run alone: it may be read, and no more."""
    own = (case.path_parameters or {}).get("clientId") == CLIENT_ID
    return not own or case.method == "GET"


@schemathesis.hook
def before_call(context, case, kwargs):
    # A key that was used before is answered what was made then, and that may be deleted by now.
    if case.meta.phase.name.value == "stateful" and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    # The key that signed the token may be gone: the next request takes another token.
    if case.operation.path.startswith("/keys"):
        token.taken_at = 0.0


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is a failure indeed."""
    if type(failure).__name__ == "RejectedPositiveData" and response.status_code == 400:
        detail = response.json()["detail"]
        ruled = any(rule in detail for rule in RULES)
        return not (ruled or has_fraction(case.body) or has_replaced(case.path_parameters))
    return True


def has_replaced(parameters):
    """What cannot be in a URL, schemathesis replaces: it is not what the schema allows any more."""
    return any("\ufffd" in unquote(str(value)) for value in (parameters or {}).values())


def has_fraction(value):
    """To JSON Schema 60.0 is an integer; here a number with a decimal point is none."""
    if isinstance(value, (dict, list)):
        return any(map(has_fraction, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)
