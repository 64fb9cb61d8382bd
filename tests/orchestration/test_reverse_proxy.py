"""deploy/nginx.conf in a real nginx with TLS, in front of an MLflow that asks for a password."""

import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import pytest

from tests.support.ports import free_port, wait_for_port
from tests.support.repository import ROOT

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
ROOT_OF_MLFLOW = Path(mlflow.__file__).parent
PASSWORD = "not-for-any-log-7f3a"
MAIN = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log info; worker_processes 1;
events {{ }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
    include {folder}/site.conf;
}}
"""
LOGS_A_RUN = """
import sys
from orchestration.tracking.sender import mlflow_client
client = mlflow_client(sys.argv[1])
run = client.create_run("0")
client.log_metric(run.info.run_id, "histogram_distance_hu", 21.0)
client.set_terminated(run.info.run_id)
print("logged", client.get_run(run.info.run_id).data.metrics)
"""
LOGGED = "logged {'histogram_distance_hu': 21.0}\n"  # and no address, since it contains a password
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Site:
    """A running nginx with this project's example, and MLflow behind it."""

    def __init__(self, folder):
        self.folder, self.port, self.mlflow = folder, free_port(), free_port()
        self.certificate = folder / "lab.pem"
        self._started = []

    def start(self):
        self._make_certificate()
        self._start_mlflow()
        self._start_nginx()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def _make_certificate(self):
        self._run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", self.folder / "lab.key", "-out", self.certificate),
        )

    def _run(self, *words):
        subprocess.run([str(word) for word in words], check=True, capture_output=True)

    def _start_mlflow(self):
        folder = self.folder
        auth = (ROOT_OF_MLFLOW / "server/auth/basic_auth.ini").read_text()
        (folder / "auth.ini").write_text(
            auth.replace("sqlite:///basic_auth.db", f"sqlite:///{folder}/users.db")
        )
        line = [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
            *("--host", "127.0.0.1", "--port", str(self.mlflow), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "files"), "--allowed-hosts", "localhost"),
        ]
        environment = os.environ | {
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "0" * 64,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._start(line, self.mlflow, env=environment)

    def _start_nginx(self):
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        mine = {
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "/etc/nginx/tls": str(self.folder),
            "127.0.0.1:5000": f"127.0.0.1:{self.mlflow}",
            "server_name mlflow.lab": "server_name localhost",
        }
        for theirs, ours in mine.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        (self.folder / "site.conf").write_text(text)
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder))
        line = [NGINX, "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log")]
        self._start(line, self.port)

    def _start(self, line, port, **options):
        with (self.folder / "server.log").open("a") as log:
            process = subprocess.Popen(
                line, stdout=log, stderr=log, start_new_session=True, **options
            )
        self._started.append(process)
        wait_for_port(port, process)

    def log_a_run(self, uri, **environment):
        known = os.environ | {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.certificate)}
        return subprocess.run(
            [sys.executable, "-c", LOGS_A_RUN, uri],
            env=known | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def status(self):
        """Return the HTTP status of MLflow's page without a password."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        try:
            return urllib.request.urlopen(self.url, context=trusted, timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    def written(self):
        """Return the logs of both servers."""
        return "".join(path.read_text() for path in self.folder.glob("*.log"))

    def stop(self):
        for process in reversed(self._started):
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not (NGINX and shutil.which("openssl")):
        pytest.skip("the Debian packages nginx-light and openssl are needed")
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        site.start()
        yield site
    finally:
        site.stop()


def test_access_without_a_password_is_refused(site):
    assert site.status() == 401


def test_a_run_is_logged_with_the_password_of_the_environment(site):
    done = site.log_a_run(
        site.url, MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD=PASSWORD
    )
    assert done.stdout == LOGGED, done.stderr
    assert PASSWORD not in done.stderr


def test_a_run_is_logged_with_the_password_in_the_uri(site):
    done = site.log_a_run(site.url.replace("://", f"://admin:{PASSWORD}@"))
    assert done.stdout == LOGGED, done.stderr
    assert PASSWORD not in done.stderr


def test_a_wrong_password_logs_nothing(site):
    done = site.log_a_run(site.url.replace("://", "://admin:wrong@"))
    assert done.returncode != 0
    assert "401" in done.stderr


def test_no_log_of_a_server_has_the_password(site):
    assert site.log_a_run(site.url.replace("://", f"://admin:{PASSWORD}@")).returncode == 0
    written = site.written()
    assert "POST /api/2.0/mlflow/runs/create" in written
    assert PASSWORD not in written
