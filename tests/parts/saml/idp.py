"""A SAML identity provider (PyPI pysaml2, with the machine's xmlsec1) for tests, on loopback.

    python idp.py '{"users": {"SUB": {"mail": ["…"], "groups": ["…"]}}, "published": ["rsa"], "signing": "rsa"}'

Its working folder holds its keys: `NAME.key` and `NAME.crt`, RSA or EC. Further settings: "port" (0 takes a free one), "host" (the name in its
addresses, for example idp.localhost), "sign" (both, assertion or response), "encrypt" (nothing, or for example aes256-gcm), and "logout" (the
binding of its own logout requests and answers: redirect or post). When it answers it prints one line, `ready BASE`. A form asks who signs in; a
session of its own then answers later requests, unless they demand that the person proves it anew.

    GET      /metadata, /             its metadata; who is signed in, for people
    GET|POST /sso                     single sign-on, by redirect and by POST
    GET|POST /slo                     single logout, both ways, by redirect and by POST
    GET      /logout                  signs out here, then everywhere this browser went
    POST     /_ctl/sp                 the metadata of the one service provider
    POST     /_ctl/settings {…}       other settings from now on; those that are left out stay
"""

import base64
import functools
import html
import http.server
import json
import re
import secrets
import subprocess
import sys
import threading
import traceback
import urllib.parse

import saml2.xmldsig as dsig

# pysaml2 names these algorithms and leaves the signing to xmlsec1; it only does not let them be chosen.
dsig.SIG_ALLOWED_ALG += (("SIG_ECDSA_SHA256", dsig.SIG_ECDSA_SHA256),)

import saml2.entity  # noqa: E402
import saml2.sigver  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: E402
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, saml, samlp  # noqa: E402
from saml2.config import IdPConfig  # noqa: E402
from saml2.metadata import create_metadata_string  # noqa: E402
from saml2.server import Server  # noqa: E402

ENCRYPTION = "http://www.w3.org/2001/04/xmlenc#"
ENCRYPTION_11 = "http://www.w3.org/2009/xmlenc11#"


class EcSigner:
    """Signatures of the redirect binding by an EC key: the two numbers, one after the other, as XML Signature wants them (P-256)."""

    key = None

    def sign(self, message):
        r, s = utils.decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


saml2.sigver.SIGNER_ALGS[dsig.SIG_ECDSA_SHA256] = EcSigner()


class Provider:
    """What the settings make of pysaml2; built anew when they change."""

    def __init__(self, base, settings, sp):
        self.base, self.settings = base, settings
        published, signing = settings["published"], settings["signing"]
        both = [BINDING_HTTP_REDIRECT, BINDING_HTTP_POST]
        kind = subprocess.run(["openssl", "pkey", "-in", f"{signing}.key", "-noout", "-text"], capture_output=True, text=True, check=True)
        is_ec = "NIST CURVE" in kind.stdout
        self.algorithm = dsig.SIG_ECDSA_SHA256 if is_ec else dsig.SIG_RSA_SHA256
        self.config = IdPConfig().load({
            "entityid": f"{base}/metadata",
            "xmlsec_binary": saml2.sigver.get_xmlsec_binary(),
            "key_file": f"{signing}.key",
            "cert_file": f"{published[0]}.crt",
            "additional_cert_files": [f"{name}.crt" for name in published[1:]],
            "signing_algorithm": self.algorithm,
            "digest_algorithm": dsig.DIGEST_SHA256,
            "metadata": {"inline": [sp]} if sp else {},
            "service": {"idp": {
                "name": "pysaml2",
                "endpoints": {
                    "single_sign_on_service": [(f"{base}/sso", binding) for binding in both],
                    "single_logout_service": [(f"{base}/slo", binding) for binding in both],
                },
                "name_id_format": [saml.NAMEID_FORMAT_PERSISTENT],
                "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": saml.NAME_FORMAT_BASIC}},
                "want_authn_requests_signed": bool(sp) and 'AuthnRequestsSigned="true"' in sp,
            }},
        })
        self.server = Server(config=self.config)
        if settings["encrypt"]:
            name = settings["encrypt"]
            algorithm = (ENCRYPTION_11 if name.endswith("gcm") else ENCRYPTION) + name
            saml2.entity.pre_encryption_part = functools.partial(saml2.sigver.pre_encryption_part, msg_enc=algorithm)
            size = re.search(r"\d+", name).group()
            self.server.sec.encrypt_assertion = functools.partial(self.server.sec.encrypt_assertion, key_type=f"aes-{size}")

    def metadata(self):
        return create_metadata_string(None, config=self.config, valid="24")

    def name_id(self, sub, sp):
        return saml.NameID(format=saml.NAMEID_FORMAT_PERSISTENT, name_qualifier=self.config.entityid, sp_name_qualifier=sp, text=sub)

    def response(self, request, sub):
        """The form with the answer to a request, and the session index in it."""
        sp, sign = request.issuer.text, self.settings["sign"]
        where = self.server.response_args(request, [BINDING_HTTP_POST])["destination"]
        # Before it is encrypted nobody else sees the index; so it is looked up in what pysaml2 keeps of its assertions.
        answer = str(self.server.create_authn_response(
            self.settings["users"][sub], request.id, where, sp,
            name_id=self.name_id(sub, sp),
            authn={"class_ref": saml.AUTHN_PASSWORD_PROTECTED, "authn_auth": self.base},
            sign_response=sign in ("both", "response"),
            sign_assertion=sign in ("both", "assertion"),
            encrypt_assertion=bool(self.settings["encrypt"]),
            sign_alg=self.algorithm,
            digest_alg=dsig.DIGEST_SHA256,
        ))
        kept = [assertion for assertion, _ in self.server.session_db.assertion.values()]
        indexes = [statement.session_index for assertion in kept for statement in assertion.authn_statement]
        return answer, where, indexes[-1]

    def send(self, message, where, relay_state, is_response):
        """By the binding of the settings: a status, headers and a body."""
        binding = BINDING_HTTP_POST if self.settings["logout"] == "post" else BINDING_HTTP_REDIRECT
        sent = self.server.apply_binding(
            binding, str(message), where, relay_state, response=is_response, sign=binding == BINDING_HTTP_REDIRECT, sigalg=self.algorithm)
        return (303, sent["headers"], b"") if binding == BINDING_HTTP_REDIRECT else (200, [], str(sent["data"]).encode())

    def logout_binding(self):
        return [BINDING_HTTP_POST if self.settings["logout"] == "post" else BINDING_HTTP_REDIRECT]

    def logout_request(self, session):
        """Tells the service provider that a session has ended."""
        sp = session["sp"]
        service = self.server.metadata.single_logout_service(sp, self.logout_binding()[0], "spsso")[0]
        _, message = self.server.create_logout_request(
            service["location"], sp, name_id=self.name_id(session["sub"], sp), session_indexes=[session["index"]],
            sign=self.settings["logout"] == "post", sign_alg=self.algorithm, digest_alg=dsig.DIGEST_SHA256)
        return self.send(message, service["location"], "", False)

    def logout_response(self, request, relay_state):
        answer = self.server.create_logout_response(
            request, self.logout_binding(), sign=self.settings["logout"] == "post", sign_alg=self.algorithm, digest_alg=dsig.DIGEST_SHA256)
        where = self.server.response_args(request, self.logout_binding())["destination"]
        return self.send(answer, where, relay_state, True)


class State:
    """What all requests share."""

    def __init__(self, settings):
        self.lock, self.sp, self.sessions = threading.Lock(), None, {}
        self.settings = {"port": 0, "host": "127.0.0.1", "sign": "both", "encrypt": None, "logout": "redirect"} | settings

    def begin(self, port):
        self.base = f"http://{self.settings['host']}:{port}"
        self.build()

    def build(self):
        self.provider = Provider(self.base, self.settings, self.sp)


def page(text):
    return 200, [], f"<!doctype html><html lang=en><title>pysaml2</title><main>{text}</main></html>".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({}, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        is_form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        self.answer(dict(urllib.parse.parse_qsl(body.decode())) if is_form else {}, body)

    def answer(self, form, body):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            with STATE.lock:
                status, headers, out = self.route(url.path, query, form, body)
        except Exception:
            traceback.print_exc()
            status, headers, out = 500, [], traceback.format_exc().encode()
        self.send_response(status)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers = [*headers, ("content-type", "text/html; charset=utf-8")]
        for name, value in [*headers, ("content-length", str(len(out)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(out)

    def route(self, path, query, form, body):
        provider, asked = STATE.provider, form or query
        binding = BINDING_HTTP_POST if self.command == "POST" else BINDING_HTTP_REDIRECT
        match path:
            case "/metadata":
                return 200, [("content-type", "application/samlmetadata+xml")], provider.metadata()
            case "/":
                return page(f"Signed in: {html.escape(self.session().get('sub', 'nobody'))}")
            case "/sso":
                return self.sign_on(provider, asked, asked.get("binding", binding))
            case "/slo" if "SAMLRequest" in asked:
                request = provider.server.parse_logout_request(
                    asked["SAMLRequest"], binding, asked.get("RelayState"), asked.get("SigAlg"), asked.get("Signature")).message
                ended = [key for key, session in STATE.sessions.items() if session["sub"] == request.name_id.text]
                for key in ended:
                    del STATE.sessions[key]
                return provider.logout_response(request, asked.get("RelayState", ""))
            case "/slo":
                response = provider.server.parse_logout_request_response(asked["SAMLResponse"], binding)
                return page("Signed out everywhere" if response.status_ok() else "Not signed out everywhere")
            case "/logout":
                session = self.session()
                STATE.sessions.pop(self.cookie(), None)
                return provider.logout_request(session) if "sp" in session else page("Signed out")
            case "/_ctl/sp":
                STATE.sp = body.decode()
            case "/_ctl/settings":
                STATE.settings |= json.loads(body)
            case _:
                return 404, [], b"not found"
        STATE.build()
        return 200, [], b"ok"

    def cookie(self):
        found = re.search(r"pysaml2=(\w+)", self.headers.get("cookie", ""))
        return found.group(1) if found else None

    def session(self):
        return STATE.sessions.get(self.cookie(), {})

    def sign_on(self, provider, asked, binding):
        request = provider.server.parse_authn_request(
            asked["SAMLRequest"], binding, asked.get("RelayState"), asked.get("SigAlg"), asked.get("Signature")).message
        session, headers = self.session(), []
        if "username" in asked:
            key, session = secrets.token_hex(16), {"sub": asked["username"]}
            STATE.sessions[key] = session
            headers = [("set-cookie", f"pysaml2={key}; Path=/; HttpOnly")]
        elif not session or request.force_authn in ("true", "1"):
            hidden = "".join(
                f'<input type=hidden name="{html.escape(name)}" value="{html.escape(value)}">' for name, value in ({"binding": binding} | asked).items())
            return page(f"<form method=post action=/sso>{hidden}<label>Name <input name=username></label><button>Sign in</button></form>")
        answer, where, index = provider.response(request, session["sub"])
        session |= {"sp": request.issuer.text, "index": index}
        fields = {"SAMLResponse": base64.b64encode(answer.encode()).decode(), "RelayState": asked.get("RelayState", "")}
        hidden = "".join(f'<input type=hidden name="{name}" value="{html.escape(value)}">' for name, value in fields.items())
        form = f'<form method=post action="{html.escape(where)}">{hidden}<button>Continue</button></form><script>document.forms[0].submit()</script>'
        status, _, out = page(form)
        return status, headers, out

    def log_message(self, *_):
        pass


STATE = State(json.loads(sys.argv[1]))
SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", STATE.settings["port"]), Handler)
STATE.begin(SERVER.server_port)
print(f"ready {STATE.base}", flush=True)
SERVER.serve_forever()
