"""A real S3-compatible server on loopback, in its own process, and its access keys."""

import asyncio
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import fs

from tests.support.ports import free_port, wait_for_port

BUCKET = "lab"
SECRET = "wJalrXUtnFEMIK7MDENG"


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server with one bucket, and yield its address.

    It checks no access keys until ``ask_for_keys`` is called.
    """
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        address = f"http://127.0.0.1:{port}"
        connected(address).create_dir(BUCKET)
        yield address
    finally:
        process.kill()
        process.wait()


def keys(endpoint: str) -> dict[str, str]:
    """Return the environment variables with which a process may use the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def connected(address: str) -> fs.S3FileSystem:
    """Connect as administrator, who may read and write everything."""
    return fs.S3FileSystem(
        endpoint_override=address,
        access_key="testing",
        secret_key=SECRET,
        region="us-east-1",
        allow_bucket_creation=True,
    )


def ask_for_keys(address: str) -> None:
    """Make the server check access keys. It knows none, so it refuses every request."""
    asked = urllib.request.Request(
        f"{address}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(asked).close()


@contextmanager
def door(port: int, address: str) -> Iterator[None]:
    """Forward a port to the server inside the block. Afterwards the port refuses connections."""
    inner = int(address.rpartition(":")[2])
    ends: set[asyncio.StreamWriter] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, answer = await asyncio.open_connection("127.0.0.1", inner)
        ends.update({writer, answer})
        await asyncio.gather(pipe(reader, answer), pipe(there, writer))

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = asyncio.start_server(connect, "127.0.0.1", port)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        for end in ends:
            loop.call_soon_threadsafe(end.transport.abort)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
