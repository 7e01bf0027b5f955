"""Another SAML service provider (PyPI python3-saml), for the measurements; saml.mjs says what is read and what is printed.

    python saml.py FOLDER SECONDS
"""

import json
import pathlib
import sys
import time
import urllib.parse

from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
told = json.loads((folder / "peer.json").read_text())
binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"
settings = OneLogin_Saml2_Settings({
    "strict": True,
    "sp": {
        "entityId": told["entityId"],
        "assertionConsumerService": {"url": told["acs"], "binding": f"{binding}POST"},
        "x509cert": told["certificate"],
        "privateKey": told["privateKey"],
    },
    "idp": {
        "entityId": told["idp"],
        "singleSignOnService": {"url": f"{told['idp']}/sso", "binding": f"{binding}Redirect"},
        "x509cert": told["idpCertificate"],
    },
    "security": {"wantAssertionsSigned": True, "rejectDeprecatedAlgorithm": True},
})
acs = urllib.parse.urlsplit(told["acs"])
request = {"https": "on", "http_host": acs.netloc, "script_name": acs.path, "get_data": {}, "post_data": {}}


def is_accepted(message):
    try:
        return OneLogin_Saml2_Response(settings, message).is_valid(request)
    except Exception:
        # What cannot even be parsed or decrypted is raised before there is anything to ask.
        return False


for file in sorted(folder.glob("*.b64")):
    message = file.read_text()
    accepted = is_accepted(message)
    for _ in range(20):
        is_accepted(message)
    count, begun, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        if is_accepted(message) != accepted:
            raise SystemExit(f"{file} is not answered alike")
        count += 1
    elapsed, cpu = time.perf_counter() - begun, time.process_time() - used
    print(json.dumps({"name": file.stem, "accepted": accepted, "count": count, "cpu": cpu, "elapsed": elapsed}), flush=True)
