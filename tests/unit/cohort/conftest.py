"""A local S3 server with the layout of Camelyon16's bucket, and a proxy before it that cuts connections."""

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pathgen_smk.cohort import bucket as bucket_module

BUCKET = "camelyon-dataset"
ROOT = f"s3://{BUCKET}/CAMELYON16"


@dataclass
class Bucket:
    """The bucket, as its owner sees it."""

    client: Any
    port: int

    def put(self, key: str, data: bytes) -> str:
        """Put an object that everybody may read; return its address."""
        self.client.put_object(Bucket=BUCKET, Key=f"CAMELYON16/{key}", Body=data, ACL="public-read")
        return f"{ROOT}/{key}"


@dataclass
class Proxy:
    """Passes bytes on, and cuts the next `cuts` connections on which the server has sent `cut_after` bytes.

    It counts the bytes that the server sent (`served`), and keeps where requests for a rest began (`resumed_at`).
    """

    upstream: int
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    cuts: int = 0
    cut_after: int = 0
    served: int = 0
    resumed_at: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.upstream))
            threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, True), daemon=True).start()

    def pump(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not from_server:
                    self.resumed_at += [int(start) for start in re.findall(rb"(?i)\r\nrange: bytes=(\d+)-", data)]
                target.sendall(data)
                if from_server:
                    sent += len(data)
                    self.served += len(data)
                    if self.cuts and sent >= self.cut_after:
                        self.cuts -= 1
                        break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of a local S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def proxy(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy through which the tested code reaches the server; waits between attempts are short."""
    proxy = Proxy(s3_port)
    threading.Thread(target=proxy.run, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(bucket_module, "FIRST_WAIT", 0.01)
    yield proxy
    proxy.listener.close()


@pytest.fixture
def bucket(s3_port: int, proxy: Proxy) -> Iterator[Bucket]:
    """An empty bucket that everybody may read."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{s3_port}",
        aws_access_key_id="owner",
        aws_secret_access_key="owner",
        region_name="us-west-2",
    )
    client.create_bucket(
        Bucket=BUCKET, ACL="public-read", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    yield Bucket(client, s3_port)
    # Servers of one process share their contents.
    urlopen(Request(f"http://127.0.0.1:{s3_port}/moto-api/reset", method="POST")).close()
