"""A small portal that signs people in through Vestibule, with Authlib and Flask.

    ISSUER=https://id.example.com CLIENT_ID=portal CLIENT_SECRET=… PORTAL=https://portal.example.com PORT=3000 python portal.py

It is registered with redirect_uris = ["PORTAL/callback"], post_logout_redirect_uris = ["PORTAL/"] and
backchannel_logout_uri = "PORTAL/backchannel-logout". What lies between two markers `region` is shown in docs/portal.md.
Sessions are in memory here. A real portal keeps them in its database, where all of its processes see that one has ended.
"""

import os
import secrets
import threading
import time

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, render_template_string, request, session

from tokens import JoseError, Tokens

ISSUER, CLIENT_ID, CLIENT_SECRET = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
PORT = int(os.environ.get("PORT", "3000"))
PORTAL = os.environ.get("PORTAL", f"http://portal.localhost:{PORT}")

# region discover
app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)  # a real portal has a fixed one
secure = PORTAL.startswith("https:")
app.config.update(
    SESSION_COOKIE_NAME="__Host-portal" if secure else "portal", SESSION_COOKIE_SECURE=secure, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax"
)
vestibule = OAuth(app).register(
    "vestibule",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "token_endpoint_auth_method": "client_secret_basic"},
)
metadata = vestibule.load_server_metadata()
tokens = Tokens(ISSUER, metadata["jwks_uri"])
# endregion

sessions = {}  # "id" of the cookie → {"token", "claims", "lock"}
seen = set()  # the ids of logout tokens; a real portal forgets them after ten minutes


# region sign-in
@app.get("/sign-in")
def sign_in():
    """On to Vestibule. Authlib makes state, nonce and the code_verifier, and keeps them in the browser's cookie."""
    asked = {name: request.args[name] for name in ("account", "login", "prompt", "acr_values") if name in request.args}
    session["asked"] = asked
    return vestibule.authorize_redirect(f"{PORTAL}/callback", **asked)


@app.get("/callback")
def callback():
    if request.args.get("iss") != ISSUER:  # RFC 9207, which Authlib leaves to us
        abort(400, "this answer is not Vestibule's")
    asked = session.get("asked", {})
    try:
        token = vestibule.authorize_access_token()  # checks state, nonce, signature, iss, aud, times and at_hash
    except OAuthError as error:
        # What cannot be done silently is asked again with a page.
        if asked.pop("prompt", None) == "none" and error.error in ("login_required", "interaction_required", "account_selection_required"):
            session["asked"] = asked
            return vestibule.authorize_redirect(f"{PORTAL}/callback", **asked)
        abort(400, f"signing in failed: {error.error}")
    claims = token["userinfo"]
    before = sessions.get(session.get("id"))
    if asked.get("login") == "other" and before and before["claims"]["person"] != claims["person"]:
        abort(400, "the tokens are another person's")
    wanted = {"account": asked.get("account"), "acr": asked.get("acr_values")}
    if any(value and claims.get(name) != value for name, value in wanted.items()):
        abort(400, "the tokens are not what was asked for")
    sessions.pop(session.get("id"), None)
    session.clear()
    session["id"] = secrets.token_urlsafe(32)
    sessions[session["id"]] = {"token": token, "claims": claims, "lock": threading.Lock()}
    return redirect("/", 303)
# endregion


# region refresh
@app.post("/refresh")
def refresh():
    """New tokens, which say what is true now. One refresh at a time: a refresh token is good once, and the second use of one ends all."""
    mine = sessions.get(session.get("id"))
    if mine:
        with mine["lock"]:
            try:
                fresh = vestibule.fetch_access_token(grant_type="refresh_token", refresh_token=mine["token"]["refresh_token"])
                claims = vestibule.parse_id_token(fresh, nonce=None)  # there is none after a refresh
                if claims["sub"] != mine["claims"]["sub"]:
                    abort(400, "the tokens are somebody else's")
                mine["token"], mine["claims"] = fresh, claims
            except OAuthError as error:
                if error.error != "invalid_grant":
                    raise
                sessions.pop(session["id"], None)
    return redirect("/", 303)
# endregion


# region logout
@app.post("/sign-out")
def sign_out():
    mine = sessions.pop(session.get("id"), None)
    session.clear()
    if mine is None:
        return redirect("/", 303)
    return vestibule.logout_redirect(post_logout_redirect_uri=f"{PORTAL}/", id_token_hint=mine["token"]["id_token"])


@app.post("/backchannel-logout")
def backchannel_logout():
    try:
        claims = tokens.verify(request.form.get("logout_token", ""), "logout+jwt", CLIENT_ID, ("events",))
        is_one = "http://schemas.openid.net/event/backchannel-logout" in claims["events"] and "nonce" not in claims and claims.keys() & {"sid", "sub"}
        if not is_one or claims["iat"] < time.time() - 300:
            raise JoseError("this is no logout token, or an old one")
    except (JoseError, ValueError) as error:
        app.logger.warning("logout token refused: %s", error)
        return {"error": "invalid_request"}, 400, {"Cache-Control": "no-store"}
    if claims["jti"] not in seen:
        seen.add(claims["jti"])
        same = "sid" if "sid" in claims else "sub"
        for name in [name for name, other in sessions.items() if other["claims"][same] == claims[same]]:
            sessions.pop(name, None)
    return "", 200, {"Cache-Control": "no-store"}
# endregion


@app.get("/")
def home():
    mine = sessions.get(session.get("id"))
    return render_template_string(PAGE, claims=mine and mine["claims"]), 200, {"Cache-Control": "no-store"}


@app.after_request
def policy(response):
    response.headers["Content-Security-Policy"] = f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {ISSUER}"
    return response


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Sample portal</title><main><h1>Sample portal</h1>
{% if claims %}<p>Welcome, {{ claims.name or claims.sub }}.</p>
<dl><dt>Signed in as</dt><dd id="user">{{ claims.preferred_username }}</dd><dt>Login</dt><dd id="login">{{ claims.sub }}</dd><dt>Person</dt><dd>{{ claims.person }}</dd><dt>Account</dt><dd id="account">{{ claims.account }}</dd>
<dt>Roles</dt><dd id="roles">{{ claims.roles | join(", ") or "none" }}</dd><dt>Strength</dt><dd id="acr">{{ claims.acr }}</dd></dl>
<p><a href="/sign-in?prompt=select_account">Another account</a></p>{% if claims.login.linked %}<p><a href="/sign-in?login=other">Use my other login</a></p>{% endif %}<p><a href="/sign-in?acr_values=urn:vestibule:aal2">Prove it with a second factor</a></p>
<form method="post"><button formaction="/refresh">Refresh</button> <button formaction="/sign-out">Sign out</button></form>
{% else %}<p>You are signed out.</p><p><a href="/sign-in">Sign in</a></p>{% endif %}</main></html>"""

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=PORT)
