"""Objects in public S3 buckets: what there is, how large, and small texts of them.

Requests are anonymous. The standard environment variables of AWS clients hold: ``AWS_ENDPOINT_URL`` names another
server, ``AWS_REGION`` another region, ``HTTPS_PROXY`` a proxy.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError

from pathgen_smk.cohort.uri import SCHEME, split_uri
from pathgen_smk.errors import InputError, PassingError

logger = logging.getLogger("pathgen_smk")
T = TypeVar("T")

# Where the Camelyon data set lies; for buckets elsewhere the client follows the server's redirection.
REGION = "us-west-2"
# Attempts after the first one that bring nothing; an attempt that brings something starts the count anew.
RETRIES = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # s, between attempts; doubled each time
TIMEOUT = 60  # s, without a byte
MISSING, REFUSED = 404, 403
FAILED = (BotoCoreError, ClientError)


@dataclass(frozen=True)
class RemoteFile:
    """An object in a bucket.

    Attributes
    ----------
    uri
        ``s3://bucket/key``.
    size
        Bytes.
    etag
        The server's name of its present contents; it changes with them.
    changed
        When it was last changed, seconds since the epoch.
    """

    uri: str
    size: int
    etag: str
    changed: float


@cache
def _client(*_: str | None) -> Any:
    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        retries={"total_max_attempts": 1},  # `retrying` does it, and says so
        # Published MD5 sums are verified instead; ranges of objects that were uploaded in parts confuse botocore's own.
        response_checksum_validation="when_required",
    )
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    return boto3.session.Session().client("s3", region_name=region, config=config)


def client() -> Any:
    """Return the S3 client of this process, made for the present environment."""
    return _client(*(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION")))


def retrying(uri: str, attempt: Callable[[], T], *, done: Callable[[], int] = lambda: 0) -> T:
    """Return what `attempt` returns; after an error that may pass, wait and call it again.

    Parameters
    ----------
    uri
        What it is about, for messages.
    attempt
        Makes requests. It goes on where it was cut, if it can.
    done
        How much attempts have brought so far; those that bring something are not counted against `RETRIES`.

    Raises
    ------
    InputError
        If the error does not pass: there is no such object, no access, no network.
    """
    failures, reached = 0, done()
    while True:
        try:
            return attempt()
        except FAILED as error:
            failures, reached = (0 if done() > reached else failures) + 1, done()
            if not _may_pass(error) or failures > RETRIES:
                kind = PassingError if _may_pass(error) else InputError
                raise kind(f"{uri}: {_explain(error)}") from error
            wait = min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT)
            logger.info(f"{uri}: {_one_line(error)}; trying again in {wait:g} s")
            time.sleep(wait)


def look_up(uri: str) -> RemoteFile:
    """Return what the server says of an object, without its contents; raises as `retrying` and `split_uri`."""
    bucket, key = split_uri(uri)
    head = retrying(uri, lambda: client().head_object(Bucket=bucket, Key=key))
    return RemoteFile(uri, head["ContentLength"], head["ETag"], head["LastModified"].timestamp())


def remote_size(uri: str) -> int:
    """Return the size of an object in bytes; raises as `look_up`."""
    return look_up(uri).size


def list_objects(folder: str) -> list[RemoteFile]:
    """Return the objects below ``s3://bucket/folder``, in the order of their names; raises as `look_up`.

    Names that `split_uri` would refuse are returned as well: they are of the server's making, so check what you use.
    """
    bucket, prefix = split_uri(folder)

    def attempt() -> list[RemoteFile]:
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        return [
            RemoteFile(
                f"{SCHEME}{bucket}/{found['Key']}", found["Size"], found["ETag"], found["LastModified"].timestamp()
            )
            for page in pages
            for found in page.get("Contents", ())
        ]

    return retrying(folder, attempt)


def read_text(uri: str, *, limit: int = 10_000_000) -> str:
    """Return a small object as text.

    Raises
    ------
    InputError
        If it is larger than `limit` bytes or not UTF-8; and as `look_up`.
    """
    bucket, key = split_uri(uri)
    if remote_size(uri) > limit:
        raise InputError(f"{uri}: it has more than {limit:,} bytes, too many for what it should be")
    data = retrying(uri, lambda: client().get_object(Bucket=bucket, Key=key)["Body"].read(limit))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{uri}: not a text in UTF-8: {error}") from error


def status_of(error: Exception) -> int:
    """Return the HTTP status that a request failed with; 0 if there was none."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return status_of(error) >= 500 or status_of(error) in (408, 429)
    return isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError)


def _explain(error: Exception) -> str:
    if status_of(error) == MISSING:
        return "there is no such object in the bucket"
    if status_of(error) == REFUSED:
        return "the bucket refuses access to it, or there is no such object"
    if _may_pass(error):
        return f"{_one_line(error)}; check the network, then type the same command again"
    return _one_line(error)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
