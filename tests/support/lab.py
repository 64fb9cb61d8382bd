"""Fake hosts on this machine, each with a real sshd: a laptop (lap) and three hosts (h1 to h3)."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from tests.support.repository import ROOT
from tests.support.sweep_process import wait_for

SCRIPT = Path(__file__).with_name("lab.sh")
# Not below /tmp or the home folder, because each host has its own of these.
LABS = Path("/opt")
PREFIX = "pancreatune-lab-"
LOCK = Path("/run/pancreatune-lab.lock")
ADDRESSES = {"h1": "10.77.0.1", "h2": "10.77.0.2", "h3": "10.77.0.3"}
PROGRAMS = {"sshd": "openssh-server", "rsync": "rsync", "ip": "iproute2"}
SEARCHED = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
LAUNCH = "pancreatune cluster"
RAY = r"[r]aylet|[g]cs_server|[r]ay::|[d]ashboard|[t]une.py"


def why_not():
    """Return why no lab can be made here, or None. Installs missing packages first."""
    if os.geteuid() != 0:
        return "fake hosts need root"
    if subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode:
        return "fake hosts need the right to make namespaces"
    missing = [p for name, p in PROGRAMS.items() if not shutil.which(name, path=SEARCHED)]
    if not missing:
        return None
    line = (
        f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(missing)}"
    )
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(line, shell=True, env=quiet, capture_output=True, text=True, check=False)
    return f"{missing} could not be installed: {done.stderr[-300:]}" if done.returncode else None


class Lab:
    """The fake hosts. Only one lab can exist at a time: their names belong to the whole machine."""

    def __init__(self):
        self._lock = lock()
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=LABS))
        self.shared = self.folder / "shared"
        self.venv = self.shared / "pancreatune" / "venv"
        self.home = self.folder / "hosts" / "lap" / "root"

    def start(self):
        self.shared.mkdir()
        run("mount", "--bind", self.shared, self.shared)  # a real lab's storage is mounted too
        run(sys.executable, "-m", "venv", "--without-pip", self.venv)
        packages = self.venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        run("mount", "--bind", sysconfig.get_path("purelib"), packages)
        run("mount", "-o", "remount,bind,ro", packages)  # protects this machine's packages
        self.write_program("ray", "from ray.scripts.scripts import main as run")
        # The checkout is on the path, as after `pip install -e .`.
        path = "import os, sys\nsys.path.insert(0, os.path.expanduser('~/pancreatune'))\n"
        self.write_program("pancreatune", f"{path}from pancreatune.program import app as run")
        self.script("up")
        for host in ("lap", *ADDRESSES):
            self.wait_for_ssh(host)
            self.hide_the_checkout(host)
        self.ship()

    def write_program(self, name, imports):
        """Write a console script that calls ``run``, as pip would."""
        path = self.venv / "bin" / name
        path.write_text(f"#!{self.venv}/bin/python\n{imports}\nrun()\n")
        path.chmod(0o755)

    def hide_the_checkout(self, host):
        """Hide this checkout from a host, so that it has only the code that is uploaded to it."""
        if not str(ROOT).startswith("/tmp"):  # each host has its own /tmp already
            self.on(host, f"mount -t tmpfs none {ROOT}")

    def ship(self):
        """Give the laptop its own checkout, and an ssh key that the hosts accept."""
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        code = self.home / "pancreatune"
        code.mkdir()
        line = ["rsync", "-a", "--ignore-missing-args", "--files-from=-", f"{ROOT}/", f"{code}/"]
        subprocess.run(line, input=listed, text=True, check=True)
        for path in (code / "ray_cluster.yaml", code / "README.md"):
            path.write_text(self.here(path.read_text()))
        shutil.copy(self.folder / "id_lab", self.home / ".ssh" / "id_ed25519")
        (self.home / ".ssh" / "config").write_text("StrictHostKeyChecking accept-new\n")

    def here(self, text):
        """Adapt a text of the repository: these hosts' storage folder, two CPUs for each host."""
        text = re.sub(r"(?<![\w/])/shared\b", str(self.shared), text)
        claims = "--disable-usage-stats --num-cpus=2 --num-gpus=0 --object-store-memory=300000000"
        return text.replace("--disable-usage-stats", claims)

    def script(self, *words):
        environment = os.environ | {"LAB": str(self.folder), "VENV": str(self.venv)}
        # A shell lets the processes in its background ignore Ctrl-C, which a test sends.
        line = ["env", "--default-signal=INT", "bash", str(SCRIPT), *map(str, words)]
        return subprocess.Popen(
            line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) if words[0] == "on" else subprocess.run(line, env=environment, check=True)  # fmt: skip

    def begin(self, host, command):
        return self.script("on", host, command)

    def on(self, host, command, timeout=900):
        """Run a command on a host. Returns its exit code and its output."""
        process = self.begin(host, command)
        try:
            shown, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, shown

    def lap(self, command, timeout=900):
        """Run a command on the laptop, in its checkout. Returns its exit code and its output."""
        return self.on("lap", f"export USER=root; cd pancreatune; {command}", timeout)

    def wait_for_ssh(self, host):
        address = ADDRESSES.get(host, "10.77.0.100")
        probe = f"timeout 2 bash -c '</dev/tcp/{address}/22'"
        wait_for(lambda: self.on(host, probe)[0] == 0, f"sshd on {host}", 30)

    def boot(self, host):
        """Start a killed host again. Its home folder was kept, as on a disk."""
        keys = self.folder / "hosts" / host / "root" / ".ssh" / "authorized_keys"
        kept = keys.read_text()
        self.script("start_host", host, ADDRESSES[host])
        keys.write_text(kept)
        self.wait_for_ssh(host)
        self.hide_the_checkout(host)

    def processes(self, host, pattern=RAY):
        return self.on(host, f"ps -eo args | grep -E '{pattern}'")[1].splitlines()

    def stop(self):
        remove(self.folder)
        self._lock.close()


def lock():
    """Return the lock of the lab. It is held until the file is closed or this process ends."""
    held = LOCK.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise RuntimeError(
            f"only one lab can run at a time, {LOCK} is held: wait for it"
        ) from error
    return held


def remove_leftovers():
    """Remove the hosts, mounts and folders of labs whose tests were killed."""
    for folder in LABS.glob(f"{PREFIX}*"):
        remove(folder)


def remove(folder):
    """Stop the hosts of a lab and remove its folder."""
    run("env", f"LAB={folder}", "bash", SCRIPT, "down")
    left = mounts_below(folder)
    assert not left, f"removing {folder} would remove what is mounted in it: {left}"
    shutil.rmtree(folder)


def mounts_below(folder):
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [point for line in lines if (point := line.split()[1]).startswith(f"{folder}/")]


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def carry_out(lab, line):
    begun = time.monotonic()
    code, shown = lab.lap(line)
    fact(f"{time.monotonic() - begun:.0f} s: {line}")
    return code, shown


def fact(text):
    print(f"FACT {text}", flush=True)
