"""requests-oauthlib, on oauthlib."""

import time
import unittest
from unittest import mock

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, MismatchingStateError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

import world


def backend(client, scope):
    return OAuth2Session(client=BackendApplicationClient(client_id=client[0], scope=scope))


def sign_in(**options):
    """A session of a user who has just signed in."""
    client_id, secret = world.WEB
    web = OAuth2Session(
        client_id, redirect_uri=world.REDIRECT_URI, scope=world.SCOPES, pkce="S256", **options
    )
    start, _ = web.authorization_url(world.AUTHORIZE_URL)
    arrived = world.browse(start)
    web.fetch_token(world.TOKEN_URL, authorization_response=arrived, client_secret=secret)
    return web


class RequestsOauthlib(unittest.TestCase):
    def test_client_credentials_in_each_place(self):
        client_id, secret = world.WORKER
        for name, how in (
            ("basic", {"auth": HTTPBasicAuth(client_id, secret)}),
            ("post", {"client_secret": secret, "include_client_id": True}),
        ):
            with self.subTest(name):
                worker = backend(world.WORKER, [world.ROLE])
                token = worker.fetch_token(world.TOKEN_URL, **how)
                self.assertEqual(token["token_type"], "Bearer")
                self.assertEqual(token.scope, world.ROLE)
                self.assertEqual(worker.get(world.API, timeout=120).json(), {"sub": "worker"})

    def test_default_needs_its_switch_for_scopes_that_are_answered_differently(self):
        # RFC 6749 section 5.1 has the server say what it granted when that is not what was asked for, by
        # name; oauthlib warns of it by an exception, unless it is told not to.
        auth = HTTPBasicAuth(*world.WORKER)
        worker = backend(world.WORKER, ["api://orders/.default"])
        with self.assertRaisesRegex(Warning, "Scope has changed"):
            worker.fetch_token(world.TOKEN_URL, auth=auth)
        with mock.patch.dict("os.environ", {"OAUTHLIB_RELAX_TOKEN_SCOPE": "1"}):
            token = worker.fetch_token(world.TOKEN_URL, auth=auth)
        self.assertEqual(token.scope, world.ROLE)

    def test_a_wrong_secret_in_each_place_is_invalid_client_error(self):
        client_id, secret = world.wrong(world.WORKER)
        for name, how in (
            ("basic", {"auth": HTTPBasicAuth(client_id, secret)}),
            ("post", {"client_secret": secret, "include_client_id": True}),
        ):
            with self.subTest(name):
                with self.assertRaises(InvalidClientError) as caught:
                    backend(world.WORKER, [world.ROLE]).fetch_token(world.TOKEN_URL, **how)
                self.assertEqual(caught.exception.error, "invalid_client")
                self.assertEqual(caught.exception.status_code, 401)

    def test_a_user_signs_in_with_pkce_and_state(self):
        web = sign_in()
        self.assertEqual(web.get(world.API, timeout=120).json(), {"sub": world.USER})

    def test_an_answer_with_another_state_is_refused_by_the_client(self):
        client_id, secret = world.WEB
        web = OAuth2Session(client_id, redirect_uri=world.REDIRECT_URI, scope=world.SCOPES)
        web.authorization_url(world.AUTHORIZE_URL)
        arrived = f"{world.REDIRECT_URI}?code=x&state=another"
        with self.assertRaises(MismatchingStateError):
            web.fetch_token(world.TOKEN_URL, authorization_response=arrived, client_secret=secret)

    def test_an_expired_token_is_refreshed_by_itself_and_the_spent_one_is_invalid_grant(self):
        kept = []
        client_id, secret = world.WEB
        extra = {"client_id": client_id, "client_secret": secret}
        web = sign_in(
            auto_refresh_url=world.TOKEN_URL, auto_refresh_kwargs=extra, token_updater=kept.append
        )
        first = web.token["refresh_token"]
        web.token = {**web.token, "expires_at": time.time() - 1}
        self.assertEqual(web.get(world.API, timeout=120).json(), {"sub": world.USER})
        [token] = kept
        self.assertNotEqual(token["refresh_token"], first)
        with self.assertRaises(InvalidGrantError):
            web.refresh_token(world.TOKEN_URL, refresh_token=first, **extra)

    def test_refresh_by_basic(self):
        web = sign_in()
        first = web.token["refresh_token"]
        token = web.refresh_token(world.TOKEN_URL, auth=HTTPBasicAuth(*world.WEB))
        self.assertNotEqual(token["refresh_token"], first)

    def test_what_is_revoked_is_invalid_grant(self):
        web = sign_in()
        refresh = web.token["refresh_token"]
        client = LegacyApplicationClient(world.WEB[0])
        url, headers, body = client.prepare_token_revocation_request(
            world.REVOKE_URL, refresh, token_type_hint="refresh_token"
        )
        auth = HTTPBasicAuth(*world.WEB)
        revoked = requests.post(url, headers=headers, data=body, auth=auth, timeout=120)
        self.assertEqual(revoked.status_code, 200)
        with self.assertRaises(InvalidGrantError):
            web.refresh_token(world.TOKEN_URL, refresh_token=refresh, auth=auth)


if __name__ == "__main__":
    unittest.main()
