"""Authlib's client for requests."""

import time
import unittest

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from joserfc import jwt
from joserfc.jwk import KeySet

import world


def session(client, **options):
    client_id, secret = client
    return OAuth2Session(client_id, secret, token_endpoint=world.TOKEN_URL, **options)


def sign_in(**options):
    """A session of a user who has just signed in."""
    web = session(
        world.WEB,
        scope=world.SCOPES,
        redirect_uri=world.REDIRECT_URI,
        code_challenge_method="S256",
        **options,
    )
    verifier = generate_token(48)
    start, state = web.create_authorization_url(world.AUTHORIZE_URL, code_verifier=verifier)
    arrived = world.browse(start)
    web.fetch_token(
        world.TOKEN_URL, authorization_response=arrived, code_verifier=verifier, state=state
    )
    return web


class Authlib(unittest.TestCase):
    def refused(self, error, asked, *arguments, **options):
        with self.assertRaises(OAuthError) as caught:
            asked(*arguments, **options)
        self.assertEqual(caught.exception.error, error)

    def test_client_credentials_in_each_place(self):
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method):
                worker = session(world.WORKER, token_endpoint_auth_method=method)
                token = worker.fetch_token(grant_type="client_credentials", scope="api://orders/.default")
                self.assertEqual(token["scope"], world.ROLE)
                self.assertEqual(worker.get(world.API, timeout=120).json(), {"sub": "worker"})

    def test_a_wrong_secret_in_each_place_is_invalid_client(self):
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method):
                worker = session(world.wrong(world.WORKER), token_endpoint_auth_method=method)
                self.refused("invalid_client", worker.fetch_token, grant_type="client_credentials")

    def test_client_credentials_are_asked_for_again_before_they_expire(self):
        kept = []
        worker = session(
            world.WORKER,
            grant_type="client_credentials",
            scope="api://orders/.default",
            update_token=lambda token, **old: kept.append((token, old)),
        )
        first = worker.fetch_token()["access_token"]
        worker.token["expires_at"] = int(time.time()) - 1
        self.assertEqual(worker.get(world.API, timeout=120).status_code, 200)
        self.assertEqual(kept[0][1], {"access_token": first})

    def test_a_token_verifies_by_the_published_keys(self):
        worker = session(world.WORKER)
        metadata = worker.get(
            f"{world.ISSUER}/.well-known/openid-configuration", withhold_token=True, timeout=120
        ).json()
        keys = worker.get(metadata["jwks_uri"], withhold_token=True, timeout=120).json()
        token = worker.fetch_token(grant_type="client_credentials")["access_token"]
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"])
        self.assertEqual(decoded.header["typ"], "at+jwt")
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": world.ISSUER},
            aud={"essential": True, "value": "api://orders"},
        ).validate(decoded.claims)

    def test_a_user_signs_in_with_pkce_and_state(self):
        web = sign_in()
        self.assertEqual(web.get(world.API, timeout=120).json(), {"sub": world.USER})

    def test_an_answer_with_another_state_is_refused_by_the_client(self):
        web = session(world.WEB, scope=world.SCOPES, redirect_uri=world.REDIRECT_URI)
        arrived = f"{world.REDIRECT_URI}?code=x&state=another"
        with self.assertRaises(MismatchingStateException):
            web.fetch_token(world.TOKEN_URL, authorization_response=arrived, state="mine")

    def test_an_expired_token_is_refreshed_by_itself_and_the_spent_one_is_invalid_grant(self):
        kept = []
        web = sign_in(update_token=lambda token, **old: kept.append((token, old)))
        first = web.token["refresh_token"]
        web.token["expires_at"] = int(time.time()) - 1
        self.assertEqual(web.get(world.API, timeout=120).json(), {"sub": world.USER})
        [(token, old)] = kept
        self.assertEqual(old, {"refresh_token": first})
        self.assertNotEqual(token["refresh_token"], first)
        self.refused("invalid_grant", web.refresh_token, world.TOKEN_URL, refresh_token=first)

    def test_what_is_revoked_is_inactive_and_invalid_grant(self):
        web = sign_in()
        access, refresh = web.token["access_token"], web.token["refresh_token"]
        orders = session(world.ORDERS)

        def introspected():
            return orders.introspect_token(world.INTROSPECT_URL, token=access).json()

        self.assertEqual(introspected()["sub"], world.USER)
        answer = web.revoke_token(world.REVOKE_URL, token=refresh, token_type_hint="refresh_token")
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(introspected(), {"active": False})
        self.refused("invalid_grant", web.refresh_token, world.TOKEN_URL, refresh_token=refresh)


if __name__ == "__main__":
    unittest.main()
