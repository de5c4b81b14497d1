"""A service that calls the API of examples/api.js or examples/hono-api: Authlib gets the token with client
credentials, keeps it, and gets the next one a minute before it expires.

    ISSUER=http://127.0.0.1:8787/demo CLIENT_ID=... CLIENT_SECRET=... SCOPE=api://orders/.default \
        python caller.py
"""

import os
import sys
import time

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# Seconds before its expiry that a token is replaced.
EARLY = 60
# Seconds that an answer may take.
PATIENCE = 10


def metadata(issuer: str) -> dict:
    """What the issuer says of itself (RFC 8414)."""
    response = requests.get(get_well_known_url(issuer, external=True), timeout=PATIENCE)
    response.raise_for_status()
    found = response.json()
    if found["issuer"] != issuer:
        raise ValueError(f"{issuer} calls itself {found['issuer']}")
    return found


class Caller(OAuth2Session):
    """A session of `requests` that sends a token along. Make one for each thread and each API."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scope: str):
        token_endpoint = metadata(issuer)["token_endpoint"]
        super().__init__(
            client_id,
            client_secret,
            scope=scope,
            token_endpoint=token_endpoint,
            token_endpoint_auth_method="client_secret_basic",
            grant_type="client_credentials",
            leeway=EARLY,
            default_timeout=PATIENCE,
        )
        # To ask for a token again does no harm, and the issuer says when.
        busy = Retry(3, status_forcelist=[429, 502, 503, 504], allowed_methods=None, backoff_factor=0.5)
        self.mount(token_endpoint, HTTPAdapter(max_retries=busy))

    def request(self, method, url, withhold_token=False, auth=None, **kwargs):
        """As `requests` does it. What is answered 401 is sent once more, with a fresh token."""
        if withhold_token or auth is not None:
            # Also the request for a token itself.
            return super().request(method, url, withhold_token, auth, **kwargs)
        if self.token is None:
            self.fetch_token()
        response = super().request(method, url, **kwargs)
        if response.status_code != 401:
            return response
        # It was good, and is so no more: keys or roles were changed.
        self.fetch_token()
        return super().request(method, url, **kwargs)


def main() -> None:
    names = ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE"]
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        sys.exit(f"error: set {', '.join(missing)}")
    api = os.environ.get("API_URL", "http://127.0.0.1:8788")
    caller = Caller(*(os.environ[name] for name in names))

    for method, order in [("GET", None), ("POST", {"item": "coffee"})]:
        response = caller.request(method, f"{api}/orders", json=order)
        why = response.headers.get("www-authenticate", "")
        print(f"{method} /orders: {response.status_code} {response.text} {why}".rstrip())
    until = time.strftime("%H:%M:%S", time.localtime(caller.token["expires_at"]))
    print(f"one token until {until} with {caller.token['scope']}")


if __name__ == "__main__":
    main()
