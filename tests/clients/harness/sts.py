"""AssumeRoleWithWebIdentity, for programs that cannot call an STS of the user's choice.

Run as a script it is a `credential_process`: it prints one set of session keys as JSON. It reads the same variables as
the AWS SDKs: AWS_ENDPOINT_URL_STS, AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CA_BUNDLE. Standard library only.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

NAMESPACE = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
TIMEOUT_SECONDS = 30


class StsError(Exception):
    """The STS answered with an error: `code` is its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class SessionKeys:
    """Credentials for one session, as an STS hands them out."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: str


def assume_role_with_web_identity(endpoint: str, role_arn: str, token: str, ca: str) -> SessionKeys:
    """Trades `token` for session keys; raises `StsError` when the STS refuses."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": "client-suite",
        "WebIdentityToken": token,
    }
    body = urllib.parse.urlencode(form).encode()
    tls = ssl.create_default_context(cafile=ca)
    try:
        with urllib.request.urlopen(endpoint, data=body, context=tls, timeout=TIMEOUT_SECONDS) as response:
            return _session_keys(ElementTree.parse(response).getroot())
    except urllib.error.HTTPError as error:
        raise _sts_error(error) from None


def _session_keys(answer: ElementTree.Element) -> SessionKeys:
    def text(name: str) -> str:
        value = answer.findtext(f"sts:AssumeRoleWithWebIdentityResult/sts:Credentials/sts:{name}", None, NAMESPACE)
        if not value:
            raise StsError("NoCredentials", f"the answer has no {name}")
        return value

    return SessionKeys(text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"), text("Expiration"))


def _sts_error(answer: urllib.error.HTTPError) -> StsError:
    error = ElementTree.parse(answer).getroot()
    code = error.findtext("sts:Error/sts:Code", "", NAMESPACE)
    message = error.findtext("sts:Error/sts:Message", "", NAMESPACE)
    return StsError(code, message)


def main() -> None:
    token = Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text()
    keys = assume_role_with_web_identity(
        os.environ["AWS_ENDPOINT_URL_STS"],
        os.environ["AWS_ROLE_ARN"],
        token.strip(),
        os.environ["AWS_CA_BUNDLE"],
    )
    answer = {
        "Version": 1,
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "SessionToken": keys.session_token,
        "Expiration": keys.expiration,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
