"""Answers nginx whether a request may pass: auth_request of ../nginx/nginx.conf asks it for each one.

    ISSUER=https://id.example.com CLIENT_ID=portal CLIENT_SECRET=… AUDIENCE=portal-api PORT=4181 python verifier.py

It passes on no claims in headers of its own: what it answers is the token that it verified, and nothing else goes on to the portal's API.
Under load, let a server like gunicorn run `verifier:app`.
"""

import os

import requests
from flask import Flask, Response, request

from tokens import JoseError, Tokens

ISSUER, CLIENT_ID, CLIENT_SECRET = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
AUDIENCE = os.environ.get("AUDIENCE", CLIENT_ID)

app = Flask(__name__)
metadata = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=5).json()
if metadata["issuer"] != ISSUER:
    raise SystemExit(f"{ISSUER} says that it is {metadata['issuer']}")
tokens = Tokens(ISSUER, metadata["jwks_uri"])


def refuse(why):
    app.logger.warning("refused: %s", why)
    return Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


# region nginx
def bearer():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


@app.get("/verify")
def verify():
    """Signature, typ, iss, aud and times. It asks nobody, so a token is good until it ends: five minutes at most."""
    try:
        tokens.verify(bearer(), "at+jwt", AUDIENCE, ("sub", "client_id", "sid", "account"))
    except (JoseError, ValueError) as error:
        return refuse(error)
    return Response(status=204, headers={"X-Verified-Token": bearer()})


@app.get("/verify-live")
def verify_live():
    """The same, and Vestibule is asked whether it is good at this moment: for what must not happen after somebody has left."""
    verified = verify()
    if verified.status_code != 204:
        return verified
    answer = requests.post(metadata["introspection_endpoint"], data={"token": bearer()}, auth=(CLIENT_ID, CLIENT_SECRET), timeout=5)
    answer.raise_for_status()  # who cannot be asked has not said yes: nginx answers 500
    return verified if answer.json().get("active") is True else refuse("it is not active any more")
# endregion


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "4181")))
