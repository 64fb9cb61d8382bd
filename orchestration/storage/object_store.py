"""S3-compatible object storage at a URL: connect to it, check it, and explain failures."""

import os
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from orchestration.masked import masked

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")
ENDPOINT = re.compile(r"https?://[^@\s]+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S = 5, 60
N_TRIES_TO_CHECK = 2
N_TRIES = 13  # the waits double from 25 ms, so all tries take a minute and a half
# A code in the server's answer, as Arrow writes it, and what the user can do.
REMEDIES = (
    ("NO_SUCH_BUCKET", "create the bucket, or name one that exists"),
    ("NETWORK_CONNECTION", "check that AWS_ENDPOINT_URL is right and that the server is running"),
    ("ACCESS_DENIED", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may do that"),
    ("INVALID_ACCESS_KEY_ID", "the server does not know AWS_ACCESS_KEY_ID: set the right one"),
    ("SIGNATURE_DOES_NOT_MATCH", "AWS_SECRET_ACCESS_KEY does not fit the key: set the right one"),
)
NO_KEYS = "no credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
OTHERWISE = "check AWS_ENDPOINT_URL, AWS_REGION and the credentials"


def is_url(storage: str) -> bool:
    """Return whether a ``--storage`` is a URL rather than a folder."""
    return URL.fullmatch(storage) is not None


@dataclass(frozen=True, kw_only=True)  # no slots: the connection is made once
class ObjectStore:
    """A prefix in a bucket.

    It is pickled without its connection and credentials, because each node has its own.

    Attributes
    ----------
    url
        ``s3://BUCKET/PREFIX``.
    endpoint
        Address of the server, or None for Amazon S3. AWS_ENDPOINT_URL in a node's own environment
        takes precedence.
    """

    url: str
    endpoint: str | None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "endpoint": self.endpoint}

    def key(self, relative: str) -> str:
        """Return the path of an object, with its bucket, from its path relative to the URL."""
        return f"{self.url.removeprefix('s3://')}/{relative}".rstrip("/")

    @cached_property
    def filesystem(self) -> Any:
        """Return the connection, a file system of pyarrow.

        A failed request is retried for about a minute and a half.
        """
        return self._connect(N_TRIES)

    def _connect(self, n_tries: int) -> Any:
        from pyarrow import fs  # takes a second or more, so only if there is a URL

        return fs.S3FileSystem(
            endpoint_override=endpoint_here() or self.endpoint,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=n_tries),
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=REQUEST_TIMEOUT_S,
            allow_delayed_open=True,  # one request for a small file, not three
        )

    def check(self, *, writes: bool) -> None:
        """Raise InputError unless this node can list the objects and, with ``writes``, write.

        To test writing, an object is written, read back and removed.
        """
        from pyarrow import fs

        connection = self._connect(N_TRIES_TO_CHECK)
        try:
            connection.get_file_info(fs.FileSelector(self.key(""), allow_not_found=True))
            bucket = self.key("").partition("/")[0]
            if connection.get_file_info(bucket).type == fs.FileType.NotFound:
                raise OSError(f"AWS Error NO_SUCH_BUCKET: there is no {bucket}")
            if writes:
                self._probe(connection)
        except OSError as error:
            raise self._unusable(error, writes=writes) from error

    def _probe(self, connection: Any) -> None:
        key = self.key(f".write-test-{secrets.token_hex(4)}")
        with connection.open_output_stream(key) as stream:
            stream.write(b"written")
        with connection.open_input_stream(key) as stream:
            if stream.read() != b"written":
                raise OSError("the object that was read back differs from the one written")
        connection.delete_file(key)

    def _unusable(self, error: OSError, *, writes: bool) -> InputError:
        said = " ".join(str(error).split())
        remedy = next((remedy for sign, remedy in REMEDIES if sign in said), OTHERWISE)
        if "NETWORK" not in said and "BUCKET" not in said and not has_keys():
            remedy = NO_KEYS
        at = endpoint_here() or self.endpoint or "Amazon S3"
        return InputError(
            f"--storage must be a URL that can be {'written to' if writes else 'read'}",
            seen=f"{self.url} at {masked(at)} is not ({masked(said)})",
            remedy=remedy,
        )


def object_store(url: str) -> ObjectStore:
    """Return the storage at ``s3://BUCKET/PREFIX``, without connecting to it.

    Raises InputError for another URL.
    """
    match = URL.fullmatch(url)
    scheme, rest = match.groups() if match else ("", url)
    if scheme != "s3":
        raise InputError(
            "--storage must be a folder or s3://BUCKET/PREFIX",
            seen=f"got {masked(url)}",
            remedy="use the S3-compatible endpoint of another object storage (AWS_ENDPOINT_URL)",
        )
    parts = [part for part in rest.split("/") if part]
    if not parts or not BUCKET.fullmatch(parts[0]) or set("?#@\\") & set(rest):
        raise InputError(
            "--storage must be s3://BUCKET/PREFIX",
            seen=f"got {masked(url)}",
            remedy="set endpoint and credentials by AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        )
    return ObjectStore(url=f"s3://{'/'.join(parts)}", endpoint=endpoint_here())


def endpoint_here() -> str | None:
    """Return the S3 server that this node's environment names, or None.

    Raises InputError if it is not an HTTP address, or if it contains a password, because it is sent
    to other nodes.
    """
    endpoint = next((os.environ[n] for n in ENDPOINT_VARIABLES if os.environ.get(n)), None)
    if endpoint is not None and not ENDPOINT.fullmatch(endpoint):
        raise InputError(
            "AWS_ENDPOINT_URL must be http(s)://HOST:PORT",
            seen=f"it is {masked(endpoint)}",
            remedy="give keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return endpoint


def has_keys() -> bool:
    """Return True if this user has set credentials. A cloud machine may have a role instead."""
    named = any(os.environ.get(name) for name in KEY_VARIABLES)
    files = ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")
    return named or any(
        Path(os.environ.get(name) or Path.home() / default).is_file() for name, default in files
    )
