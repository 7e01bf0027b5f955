"""Verifies what Vestibule signed: access tokens (RFC 9068) and logout tokens, with joserfc."""

import threading
import time

import requests
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

__all__ = ["JoseError", "Tokens"]


# region verify
class Tokens:
    """Knows Vestibule's keys: for an hour, and asks again for a key that it does not know, at most every 30 seconds."""

    def __init__(self, issuer, jwks_uri):
        self.issuer, self.jwks_uri = issuer, jwks_uri
        self.lock, self.keys, self.asked = threading.Lock(), None, 0.0

    def key_set(self, anew=False):
        with self.lock:
            age = time.monotonic() - self.asked
            if self.keys is None or age > 3600 or (anew and age > 30):
                answer = requests.get(self.jwks_uri, timeout=5)
                answer.raise_for_status()
                self.keys, self.asked = KeySet.import_key_set(answer.json()), time.monotonic()
            return self.keys

    def verify(self, token, typ, audience, essential=()):
        """The claims of a token of this kind that is for us and good now. JoseError where it is not."""
        try:
            token = jwt.decode(token, self.key_set(), algorithms=["ES256"])
        except InvalidKeyIdError:
            token = jwt.decode(token, self.key_set(anew=True), algorithms=["ES256"])
        if token.header.get("typ") != typ:
            raise JoseError(f"the token is no {typ}")
        expected = {name: {"essential": True} for name in ("exp", "iat", "jti", *essential)}
        expected |= {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": audience}}
        jwt.JWTClaimsRegistry(leeway=10, **expected).validate(token.claims)
        return token.claims
# endregion
