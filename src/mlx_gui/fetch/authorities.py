"""Whose certificates are believed."""

import os
import ssl
from typing import Literal

_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def authorities() -> ssl.SSLContext | Literal[True]:
    """Those of a bundle that the environment names, as the hub client takes them too."""
    for name in _CA_VARIABLES:
        path = os.environ.get(name, "")
        if os.path.isfile(path):
            return ssl.create_default_context(cafile=path)
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
    return True
