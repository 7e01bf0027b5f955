"""Names under .localhost are this machine (RFC 6761 section 6.3), as browsers know and not every system's resolver does.

Python reads this file by itself where its folder is on PYTHONPATH.
"""

import socket

_lookup = socket.getaddrinfo


def _getaddrinfo(host, *rest, **named):
    return _lookup("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *rest, **named)


socket.getaddrinfo = _getaddrinfo
