"""``docs/README.md`` and ``LICENSE`` of a bundle: what a person should know before using it."""

from collections.abc import Iterable
from importlib.metadata import version

from ldm.bundle.metadata import INTENDED_USE, REFERENCES, data_source
from ldm.bundle.source import BundleSource
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.volume import spacing_mm
from ldm.fingerprints import fingerprint

MEANING = """\
`scores` are those of samples of this model, `untrained` those of the same network before its first
step; beside the `score` of samples stands what `real` scans and what `nonsense`, smooth noise,
score by the same path. `histogram_distance_hu` (lower is better) is the Wasserstein-1 distance, in
HU, of intensity histograms inside the body from those of held-out scans. `totalsegmentator_dice`
(higher is better) is how well two TotalSegmentator models agree on the pancreas of a sample: it
says "can be segmented", not "is right"."""

NEVER_EVALUATED = "This model was never evaluated: nothing is known of its samples."

LICENSE = """\
configs/, scripts/, docs/
    Made by pancreatune. Apache License 2.0, http://www.apache.org/licenses/LICENSE-2.0

models/model.safetensors
    {model}

models/model_autoencoder.safetensors
    {autoencoder}

The networks that these weights are for come with MONAI, Apache License 2.0.
"""
SCANS = """\
Learned from scans, whose terms it comes under. Those of the Medical Segmentation Decathlon
    (Task07_Pancreas) are CC BY-SA 4.0: give credit, share alike. Other scans have terms of their
    own: write them here before you hand this bundle on. Weights may hold traces of scans."""
PHANTOMS = "Learned from generated phantoms, no scan of a person. Apache License 2.0."
OTHER_AUTOENCODER = """\
Not made by pancreatune: the terms of whoever published it (MONAI's bundle
    brats_mri_generative_diffusion: Apache License 2.0)."""


def model_card(source: BundleSource) -> str:
    """Markdown; its first line says so if the model knows only phantoms."""
    config = source.config
    notices = [text for text in (source.phantom_notice, source.copy_notice) if text]
    notice = "".join(f"**{text}**\n\n" for text in notices)
    references = "\n".join(f"- {reference}" for reference in REFERENCES)
    return f"""\
{notice}# Synthetic abdominal CT: {config.image.crop} crop

A latent diffusion model that makes CT of the abdomen out of noise, trained by pancreatune.

## Sample

```
python -m pip install "monai>={version("monai")}" nibabel safetensors fire
python -m monai.bundle run --config_file configs/inference.json
```

writes {config.sampling.n_samples} scans in HU to `samples/`, from any folder, with no network. What
stands in `configs/inference.json` can be set after it: `--output_dir DIR --n_samples 16 --seed 1
--device cpu`. Sample i depends on the seed and on i alone.

## Model

{_facts(source)}

## Scores

{_scores(source)}

## Intended use

{INTENDED_USE}

No sample is a patient, but a diffusion model can repeat what it learned from: compare samples with
the training scans before you share either. Do not try to identify a person.

## Data

{data_source(source)}. Terms are in `LICENSE`.

## References

{references}
"""


def license_text(source: BundleSource) -> str:
    """Under which terms each part of the bundle is."""
    return LICENSE.format(
        model=PHANTOMS if source.is_phantom_data else SCANS,
        autoencoder=PHANTOMS if source.is_phantom_autoencoder else OTHER_AUTOENCODER,
    )


def _facts(source: BundleSource) -> str:
    config, training = source.config, source.config.training
    low, high = WINDOW_HU
    mm = spacing_mm(source.affine)
    method = config.sampling.method_for(training.objective)
    facts = {
        "crop": config.image.crop,
        "input size": config.image.input_size,
        "voxels (x, y, z)": _by(config.image.grid_voxels, ""),
        "mm per voxel": _by(mm, ".2f"),
        "extent in mm": _by(mm * config.image.grid_voxels, ".0f"),
        "HU window": f"{low:.0f} to {high:.0f}",
        "objective": training.objective,
        "whitening": training.whitening,
        "sampling": f"{method}, {config.sampling.n_steps} steps, seed {config.sampling.seed}",
        "recipe, epoch": f"{config.recipe}, {source.sampler.epoch} of {training.epochs}",
        "configuration": fingerprint(config),
    }
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _by(values: Iterable[float], form: str) -> str:
    return " x ".join(format(value, form) for value in values)


def _scores(source: BundleSource) -> str:
    if not source.scores:
        return NEVER_EVALUATED
    lines = [
        f"| {name} | {score.value:.3g} | {score.low:.3g} to {score.high:.3g} | {score.n} |"
        for name, score in source.scores.items()
    ]
    table = "\n".join(["| score | value | 95 % interval | volumes |", "|---|---|---|---|", *lines])
    return f"{table}\n\n{MEANING}"
