"""Run a command with loopback as the only network, and record what else it tried to reach.

The command runs in a network namespace with nothing but loopback, so other connections fail. strace
records every connection and every datagram with an address, for all processes. The addresses of
this machine's name servers are added to loopback, where this script records each name that is asked
for and answers that it does not exist.
"""

import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

# Without sendmsg: gRPC calls it thousands of times, on sockets that are connected already.
TRACED = "connect,sendto,sendmmsg"
ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
PORT = re.compile(r"sin6?_port=htons\((\d+)\)")


def why_not():
    """Return why this machine cannot run a command this way, or None if it can."""
    missing = [name for name in ("unshare", "ip", "strace") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = ["unshare", "-n", "strace", "-f", "-o", "/dev/null", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"needs root and ptrace: {done.stderr.strip()}"


def run_alone(command, folder, *, timeout, **options):
    """Run a command, and return the finished process with two sets of what it tried to reach.

    The sets are addresses with ports, and host names that it asked for. ``folder`` is for records.
    """
    done = subprocess.run(
        ["unshare", "-n", sys.executable, __file__, str(folder), *command],
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    servers = set(name_servers())
    attempts = {
        f"{found[1]} port {port[1]}"
        for line in (folder / "trace.txt").read_text().splitlines()
        if (found := ADDRESS.search(line)) and (port := PORT.search(line))
        if not is_loopback(found[1]) and (found[1], port[1]) not in {(s, "53") for s in servers}
    }
    return done, attempts, set((folder / "names.txt").read_text().split())


def is_loopback(text):
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def name_servers():
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver")]


def question(packet):
    """Return the host name that a DNS query asks for."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode(errors="replace"))
        at += packet[at] + 1
    return ".".join(labels)


def record_names(server, path):
    """Record each name that is asked for, and answer that it does not exist."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_DGRAM)
    listener.bind((server, 53))

    def serve():
        while True:
            packet, sender = listener.recvfrom(4096)
            with path.open("a") as stream:
                print(question(packet), file=stream)
            listener.sendto(packet[:2] + b"\x81\x83" + packet[4:6] + bytes(6) + packet[12:], sender)

    threading.Thread(target=serve, daemon=True).start()


def main(folder, *command):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (folder / "names.txt").touch()
    for server in name_servers():
        if not is_loopback(server):
            subprocess.run(["ip", "addr", "add", server, "dev", "lo"], check=True)
        record_names(server, folder / "names.txt")
    trace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={TRACED}", "-e", "signal=none"]
    return subprocess.run(
        [*trace, "-o", str(folder / "trace.txt"), *command], check=False, env=os.environ
    ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
