"""A small sweep whose storage is a URL, and small files in it."""

import dataclasses

from tests.support.small_sweep import small_sweep


def sweep_on(mirror, tracking_uri="sqlite://", **changes):
    config = small_sweep(mirror.folder)
    return dataclasses.replace(config, sharing=mirror, tracking_uri=tracking_uri, **changes)


def with_options(config, **changes):
    return dataclasses.replace(config, options=dataclasses.replace(config.options, **changes))


def write_all(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
