"""Check what Ray needs of this host before it starts here, and what it would do otherwise."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ldm.errors import InputError
from ldm.files.writable import check_writable, nearest_existing
from orchestration.masked import masked
from orchestration.private_ray import longest_socket, running_clusters, token_file
from orchestration.ray_environment import LOOPBACK, proxies

MAX_SOCKET_BYTES = 107  # of the path of a Unix socket on Linux
LISTENER = "pymp-12345678/listener-12345678"  # a socket of Python's multiprocessing
A_SHORT_ONE = "a folder with a short path that you can write to, such as /tmp"


def check_host() -> None:
    """Raise InputError if Ray could not start on this host."""
    for error in host_errors():
        raise error


def host_errors() -> Iterator[InputError]:
    """Yield each reason why Ray could not start on this host, with its remedy."""
    for variable, folder, name in _socket_folders():
        n_bytes, n_over = len(os.fsencode(folder)), _n_over(folder, name)
        # Without RAY_TMPDIR, Ray uses TMPDIR too. If that is too long for both, it has to change.
        is_for_both = variable == "TMPDIR" and _n_over(folder, LISTENER) > 0
        changed = "TMPDIR" if is_for_both or name == LISTENER else "RAY_TMPDIR"
        remedy = f"set {changed} to {A_SHORT_ONE}"
        if n_over > 0:
            yield InputError(
                f"{variable} must have at most {n_bytes - n_over} bytes for the sockets in it",
                seen=f"{folder} has {n_bytes}",
                remedy=remedy,
            )
        elif error := _unusable(folder):
            yield InputError(
                "Ray must be able to make sockets in its temporary folder",
                seen=f"{folder} does not allow it ({error})",
                remedy=remedy,
            )
    yield from _token_errors()


def _n_over(folder: Path, name: str) -> int:
    """Return by how many bytes the path of a socket is too long. Negative if it fits."""
    return len(os.fsencode(folder / name)) - MAX_SOCKET_BYTES


def notes() -> Iterator[str]:
    """Yield what a user should know about this host, although Ray works."""
    through = ", ".join(f"{scheme} through {masked(url)}" for scheme, url in proxies().items())
    if through:
        yield (
            f"a proxy is set ({through}): {', '.join(LOOPBACK)} and the hosts of the cluster are "
            "reached without it"
        )
    if others := running_clusters():
        yield (
            f"another Ray runs on this host ({', '.join(others)}): a sweep without --address starts"
            " its own beside it, and both offer the same CPUs and GPUs"
        )


def _socket_folders() -> Iterator[tuple[str, Path, str]]:
    """Yield each folder for sockets: the variable that sets it, its path, and the longest name."""
    own = "RAY_TMPDIR" in os.environ
    ray_folder = os.environ["RAY_TMPDIR"] if own else os.environ.get("TMPDIR", "/tmp")
    yield "RAY_TMPDIR" if own else "TMPDIR", Path(ray_folder), longest_socket()
    if own:
        yield "TMPDIR", Path(tempfile.gettempdir()), LISTENER


def _unusable(folder: Path) -> OSError | None:
    """Return the error of making a socket in a folder, or None if that works.

    If the folder does not exist yet, its nearest parent is tried.
    """
    try:
        with (
            tempfile.TemporaryDirectory(dir=nearest_existing(folder), prefix=".") as inside,
            socket.socket(socket.AF_UNIX) as probe,
        ):
            probe.bind(f"{inside}/s")
    except OSError as error:
        return error
    return None


def _token_errors() -> Iterator[InputError]:
    """Yield an error if Ray can neither read nor write the token that its processes present."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    try:
        path = token_file()
        if not path.is_file() or path.stat().st_size == 0:
            check_writable(path.parent)
        else:
            path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows the home folder
        yield InputError(
            "Ray must be able to keep its token in the home folder",
            seen=f"~/.ray/auth_token cannot be used ({error})",
            remedy="set HOME to a folder that you can write to",
        )
