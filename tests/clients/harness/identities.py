"""Who a client is: its token file, the variables for web identity, or session keys fetched for it."""

from pathlib import Path

from harness import sts
from harness.gateway import REGION, Gateway, Secrets
from harness.identity_provider import IdentityProvider


class Identities:
    """Gives out the credentials of the suite's workloads and notes each secret among them."""

    def __init__(self, provider: IdentityProvider, gateway: Gateway, directory: Path, secrets: Secrets) -> None:
        directory.mkdir(parents=True)
        self._provider = provider
        self._gateway = gateway
        self._directory = directory
        self._secrets = secrets
        # Workloads that were given credentials in this run.
        self.used: set[str] = set()

    def web_identity(self, workload: str) -> dict[str, str]:
        """The environment of a client that calls the STS itself, as the AWS SDKs define it."""
        return self.endpoint() | {
            "AWS_ROLE_ARN": self._gateway.role_arn(workload),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self._token_file(workload)),
            "AWS_ENDPOINT_URL_STS": self._gateway.endpoint,
        }

    def session_keys(self, workload: str) -> sts.SessionKeys:
        """Keys for a client that cannot call the STS itself."""
        keys = sts.assume_role_with_web_identity(
            self._gateway.endpoint,
            self._gateway.role_arn(workload),
            self._token(workload),
            str(self._gateway.ca),
        )
        self.note_session(workload, keys.secret_access_key, keys.session_token)
        return keys

    def session_environment(self, workload: str) -> dict[str, str]:
        """`session_keys` as variables."""
        keys = self.session_keys(workload)
        return self.endpoint() | {
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_SESSION_TOKEN": keys.session_token,
        }

    def endpoint(self) -> dict[str, str]:
        """The environment that points an AWS SDK at the gateway, without credentials."""
        return {
            "AWS_ENDPOINT_URL_S3": self._gateway.endpoint,
            "AWS_CA_BUNDLE": str(self._gateway.ca),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def note_session(self, workload: str, secret_access_key: str, session_token: str) -> None:
        self._secrets.add(f"a session secret of {workload}", secret_access_key)
        self._secrets.add(f"a session token of {workload}", session_token)

    def token(self, workload: str) -> str:
        """A fresh identity token."""
        return self._token(workload)

    def _token_file(self, workload: str) -> Path:
        # The newline is what shells and editors leave behind; SDKs send it along.
        path = self._directory / f"{workload}.jwt"
        path.write_text(self._token(workload) + "\n")
        return path

    def _token(self, workload: str) -> str:
        self.used.add(workload)
        token = self._provider.token(workload)
        _, claims, signature = token.split(".")
        self._secrets.add(f"the claims of a token of {workload}", claims)
        self._secrets.add(f"the signature of a token of {workload}", signature)
        return token
