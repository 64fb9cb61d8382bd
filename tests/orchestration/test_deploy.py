"""The files that start a night: for systemd, cron and Kubernetes."""

import shutil
import subprocess
import sys
from datetime import datetime

import pytest
import yaml
from croniter import croniter
from jsonschema import Draft202012Validator, ValidationError

from tests.support.repository import ROOT

DEPLOY = ROOT / "deploy"
EVENING = datetime(2026, 1, 30, 20, 0)

TEXT, COUNT, YES_OR_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def fields(required, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


# Names, types and what is required: CRD raycronjobs.ray.io v1 of ray-project/kuberay,
# ray-operator/config/crd/bases/ray.io_raycronjobs.yaml at 0074504, without the fields not used.
POD = fields(
    ["spec"],
    spec=fields(
        ["containers"],
        containers={
            "type": "array",
            "items": fields(
                ["name"],
                name=TEXT,
                image=TEXT,
                env={"type": "array", "items": fields(["name"], name=TEXT, value=TEXT)},
                resources=fields([], limits=TEXTS, requests=TEXTS),
                volumeMounts={
                    "type": "array",
                    "items": fields(["mountPath", "name"], mountPath=TEXT, name=TEXT),
                },
            ),
        },
        volumes={
            "type": "array",
            "items": fields(
                ["name"],
                name=TEXT,
                persistentVolumeClaim=fields(["claimName"], claimName=TEXT),
            ),
        },
    ),
)
WORKERS = fields(
    ["groupName", "minReplicas", "maxReplicas", "template"],
    groupName=TEXT,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    rayStartParams=TEXTS,
    template=POD,
)
CLUSTER = fields(
    ["headGroupSpec"],
    rayVersion=TEXT,
    headGroupSpec=fields(["template"], rayStartParams=TEXTS, template=POD),
    workerGroupSpecs={"type": "array", "items": WORKERS},
)
RAY_CRON_JOB = fields(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayCronJob"},
    metadata=fields(["name"], name=TEXT),
    spec=fields(
        ["jobTemplate", "schedule"],
        schedule=TEXT,
        jobTemplate=fields(
            [],
            entrypoint=TEXT,
            shutdownAfterJobFinishes=YES_OR_NO,
            ttlSecondsAfterFinished=COUNT,
            backoffLimit=COUNT,
            activeDeadlineSeconds=COUNT,
            rayClusterSpec=CLUSTER,
        ),
    ),
)


@pytest.fixture
def units(tmp_path):
    """Both files of systemd with the user, Python and checkout of this machine filled in."""
    for path in DEPLOY.glob("pancreatune-nightly.[st]*[er]"):
        text = path.read_text().replace("<user>", "root")
        text = text.replace("/shared/pancreatune/venv/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text.replace("/shared/pancreatune/code", str(ROOT)))
    return tmp_path


def verify(units):
    if not shutil.which("systemd-analyze"):
        pytest.skip("units are verified by systemd-analyze, which is not installed")
    names = [str(units / f"pancreatune-nightly.{kind}") for kind in ("service", "timer")]
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_accepts_service_and_timer_without_warnings(units):
    done = verify(units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_reports_a_wrong_line(units):
    path = units / "pancreatune-nightly.timer"
    path.write_text(path.read_text().replace("OnCalendar=*-*-* 20", "OnCalendar=*-*-* 25"))
    done = verify(units)
    assert "pancreatune-nightly.timer has a bad unit file setting" in done.stderr


def test_the_line_for_cron_starts_a_night_each_evening():
    lines = (DEPLOY / "pancreatune-nightly.cron").read_text().splitlines()
    (line,) = [line for line in lines if not line.startswith("#")]
    *when, _user, command = line.split(maxsplit=6)
    assert croniter(" ".join(when), datetime(2026, 1, 30, 6)).get_next(datetime) == EVENING
    assert command.count("%") == 0, "cron would end the line there"


def test_the_line_and_the_service_run_the_same_command():
    service = (DEPLOY / "pancreatune-nightly.service").read_text()
    (start,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    assert start.removeprefix("ExecStart=") in (DEPLOY / "pancreatune-nightly.cron").read_text()


@pytest.fixture
def manifest():
    return yaml.safe_load((DEPLOY / "raycronjob.yaml").read_text())


def test_the_manifest_has_only_fields_of_kuberay(manifest):
    Draft202012Validator.check_schema(RAY_CRON_JOB)
    Draft202012Validator(RAY_CRON_JOB).validate(manifest)


def test_a_field_that_kuberay_does_not_have_is_found(manifest):
    manifest["spec"]["timezone"] = "Europe/Amsterdam"
    with pytest.raises(ValidationError, match="'timezone' was unexpected"):
        Draft202012Validator(RAY_CRON_JOB).validate(manifest)


def test_the_manifest_starts_a_night_each_evening_with_one_version_of_ray(manifest):
    spec = manifest["spec"]
    assert croniter(spec["schedule"], datetime(2026, 1, 30, 6)).get_next(datetime) == EVENING
    assert spec["jobTemplate"]["rayClusterSpec"]["rayVersion"] == "2.60.0"
    assert "pancreatune nightly --config" in spec["jobTemplate"]["entrypoint"]


def test_each_pod_mounts_all_of_its_volumes(manifest):
    cluster = manifest["spec"]["jobTemplate"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounted = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
