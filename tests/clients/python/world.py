"""What the tests know of the service: see world.js, which starts it."""

import os

import requests

ISSUER = os.environ["ISSUER"]
TOKEN_URL = f"{ISSUER}/oauth2/token"
AUTHORIZE_URL = f"{ISSUER}/oauth2/authorize"
REVOKE_URL = f"{ISSUER}/oauth2/revoke"
INTROSPECT_URL = f"{ISSUER}/oauth2/introspect"
REDIRECT_URI = os.environ["REDIRECT_URI"]
# Answers who the token is for, or refuses it.
API = os.environ["API"]
USER = os.environ["USER_ID"]

ROLE = "api://orders/Orders.Read.All"
SCOPES = ["api://orders/Orders.Read", "api://orders/Orders.Write"]

WORKER = ("worker", os.environ["SECRET_WORKER"])
WEB = ("web", os.environ["SECRET_WEB"])
ORDERS = ("orders", os.environ["SECRET_ORDERS"])


def wrong(client):
    """The application with another secret."""
    client_id, secret = client
    return client_id, f"{secret}x"


def browse(start):
    """Where a browser arrives in which the user is signed in, and agrees."""
    with requests.Session() as browser:
        arrived = browser.get(start, timeout=120)
    assert arrived.url.startswith(REDIRECT_URI), f"{arrived.url} {arrived.text}"
    return arrived.url
