"""Compare what two versions of the code make of the same sweep: every file, table and MLflow entry.

    python tune.py --crop pancreas --storage before    # with the code before a change
    python tune.py --crop pancreas --storage after     # with the code after it
    python benchmarks/compare_results.py before after

Trials are matched by name, because Ray draws their ids and their order is a matter of timing.
Samples and weights must be equal to the bit, pictures pixel by pixel. Times are left out. Each
difference is printed on a line of its own; the exit code is 1 if there is any.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from mlflow.tracking import MlflowClient
from PIL import Image
from safetensors.numpy import load_file

TIMES = re.compile(r"(seconds|_s)$|^(time|started|ended|created)")
UNSTABLE_COLUMNS = {"trial_id", "trial", "number"}
UNSTABLE_TAGS = re.compile(
    r"^mlflow\.(runName|user|source|log-model|parentRunId)|key$|code_version"
)


def differences(before: Path, after: Path) -> Iterator[str]:
    """Every difference between two storage folders, one line each."""
    studies = _studies(before), _studies(after)
    yield from _unshared("studies", *studies)
    for name in _shared(*studies):
        trials = _trials(before / name), _trials(after / name)
        yield from _unshared(f"{name}: trials", *trials)
        for trial in _shared(*trials):
            yield from _folders(f"{name}/{trial}", trials[0][trial], trials[1][trial])
        yield from _tables(name, before / name / "trials.csv", after / name / "trials.csv")
    yield from _experiments(before, after)


def _shared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(before.keys() & after.keys())


def _unshared(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() ^ after.keys()):
        yield f"{what}: {name} is only {'before' if name in before else 'after'}"


def _studies(storage: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in storage.glob("*/sweep.json")}


def _trials(study: Path) -> dict[str, Path]:
    records = study.glob("trials/*/trial.json")
    return {json.loads(path.read_text())["name"]: path.parent for path in records}


def _folders(what: str, before: Path, after: Path) -> Iterator[str]:
    files = [
        {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
        for root in (before, after)
    ]
    yield from _unshared(what, *files)
    for name in _shared(*files):
        if not _is_equal(files[0][name], files[1][name]):
            yield f"{what}/{name}: differs"


def _is_equal(before: Path, after: Path) -> bool:
    match "".join(before.suffixes):
        case ".nii.gz":
            one, other = nib.load(before), nib.load(after)
            is_placed_alike = np.array_equal(one.affine, other.affine)
            return is_placed_alike and np.array_equal(one.get_fdata(), other.get_fdata())
        case ".safetensors":
            tensors, others = load_file(before), load_file(after)
            return tensors.keys() == others.keys() and all(
                np.array_equal(tensors[name], others[name], equal_nan=True) for name in tensors
            )
        case ".png":
            return np.array_equal(np.asarray(Image.open(before)), np.asarray(Image.open(after)))
        case ".json":
            return _timeless(json.loads(before.read_text())) == _timeless(
                json.loads(after.read_text())
            )
        case _:
            return before.read_bytes() == after.read_bytes()


def _timeless(value: object) -> object:
    """A JSON value without times, and without the trial's own id and number."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not TIMES.search(k) and k not in UNSTABLE_COLUMNS}
        return {key: _timeless(item) for key, item in kept.items()}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _tables(what: str, before: Path, after: Path) -> Iterator[str]:
    tables = [pd.read_csv(path).set_index("name") for path in (before, after)]
    columns = [{name: name for name in table if name not in UNSTABLE_COLUMNS} for table in tables]
    yield from _unshared(f"{what}/trials.csv: columns", *columns)
    for column in _shared(*columns):
        if TIMES.search(column):
            continue
        for trial in tables[0].index.intersection(tables[1].index):
            old, new = (table.loc[trial, column] for table in tables)
            if old != new and not (pd.isna(old) and pd.isna(new)):
                yield f"{what}/trials.csv: {column} of {trial} was {old}, is {new}"


def _experiments(before: Path, after: Path) -> Iterator[str]:
    runs = [_runs(storage) for storage in (before, after)]
    yield from _unshared("MLflow: runs", *runs)
    for name in _shared(*runs):
        for kind in runs[0][name]:
            old, new = (part[name][kind] for part in runs)
            yield from _unshared(f"MLflow: {name}: {kind}", old, new)
            for key in _shared(old, new):
                if old[key] != new[key]:
                    yield f"MLflow: {name}: {kind}: {key} was {old[key]}, is {new[key]}"


def _runs(storage: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Parameters, metrics, tags and artifacts of each run, by experiment and name."""
    client = MlflowClient(f"sqlite:///{(storage / 'mlflow.db').absolute()}")
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            name = re.sub(r"^trial \d+", "trial", run.info.run_name or "")
            found[f"{experiment.name}: {name}"] = {
                "params": run.data.params,
                "metrics": {
                    key: [
                        (m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)
                    ]
                    for key in run.data.metrics
                    if not TIMES.search(key)
                },
                "tags": {k: v for k, v in run.data.tags.items() if not UNSTABLE_TAGS.search(k)},
                "artifacts": dict.fromkeys(_artifacts(client, run.info.run_id), ""),
            }
    return found


def _artifacts(client: MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    for one in client.list_artifacts(run_id, folder):
        if one.is_dir:
            yield from _artifacts(client, run_id, one.path)
        else:
            yield one.path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="storage folder of the sweep by the code before")
    parser.add_argument(
        "after", type=Path, help="storage folder of the same sweep by the code after"
    )
    arguments = parser.parse_args()
    n_found = 0
    for line in differences(arguments.before, arguments.after):
        print(line)
        n_found += 1
    print(f"{n_found} differences", file=sys.stderr)
    sys.exit(1 if n_found else 0)


if __name__ == "__main__":
    main()
