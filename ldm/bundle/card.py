"""Write ``docs/README.md``, the model card of a bundle, and its ``LICENSE``."""

from collections.abc import Iterable
from importlib.metadata import version

from ldm.bundle.metadata import INTENDED_USE, REFERENCES, data_source
from ldm.bundle.source import BundleSource
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.volume import spacing_mm
from ldm.fingerprints import fingerprint

MEANING = """\
Names that begin with `scores` belong to this model, and those that begin with `untrained` to the
same network before its first training step. `score` is the value of the samples, `real` that of
real scans, and `nonsense` that of smooth noise, all measured in the same way.

`histogram_distance_hu` (lower is better) is the Wasserstein-1 distance in HU between the intensity
histograms of samples and of held-out scans, inside the body. `totalsegmentator_dice` (higher is
better) is the agreement of two TotalSegmentator models on the pancreas of a sample. A high value
shows that a pancreas can be segmented, not that it is anatomically correct."""

# Installs all that sampling needs. MONAI brings torch and NumPy, but neither einops, which its
# denoiser needs, nor fire, which its command line needs.
INSTALL = "python -m pip install {monai} einops fire nibabel safetensors"
NEVER_EVALUATED = (
    "This model was never evaluated. Nothing is known about the quality of its samples."
)

LICENSE = """\
configs/, {package}/, docs/
    Written by pancreatune. Apache License 2.0, http://www.apache.org/licenses/LICENSE-2.0

models/model.safetensors
    {model}

models/model_autoencoder.safetensors
    {autoencoder}

The code of both networks is part of MONAI, which is under the Apache License 2.0.
"""
SCANS = """\
Trained on scans, whose license also applies to these weights. The scans of the Medical Segmentation
    Decathlon (Task07_Pancreas) are under CC BY-SA 4.0: give credit, and share under the same terms.
    If you used other scans, write their terms here before you share this bundle. Weights may
    contain traces of the scans."""
PHANTOMS = "Trained on generated phantoms and not on scans of people. Apache License 2.0."
OTHER_AUTOENCODER = """\
Not the weights that pancreatune includes. Whoever trained them decides on their terms, so write
    them here before you share this bundle. If you trained them on scans with
    `pancreatune train-autoencoder`, the license of the scans also applies, and the weights may
    contain traces of the scans. If they come from a publisher, its terms apply (MONAI's bundle
    brats_mri_generative_diffusion: Apache License 2.0)."""


def model_card(source: BundleSource) -> str:
    """Return the model card in Markdown.

    It begins with a notice if the model was trained on phantoms or copies training scans.
    """
    config = source.config
    notices = [text for text in (source.phantom_notice, source.copy_notice) if text]
    notice = "".join(f"**{text}**\n\n" for text in notices)
    references = "\n".join(f"- {reference}" for reference in REFERENCES)
    return f"""\
{notice}# Synthetic abdominal CT: {config.image.crop} crop

A latent diffusion model that generates abdominal CT, trained by pancreatune.

## Sample

```
{INSTALL.format(monai=f'"monai>={version("monai")}"')}
python -m monai.bundle run --config_file configs/inference.json
```

The second command writes {config.sampling.n_samples} scans in HU to `samples/` and needs no network
connection. Options after it replace values of `configs/inference.json`, for example
`--output_dir DIR --n_samples 16 --seed 1 --device cpu`. Sample number i depends only on the seed
and on i.

## Model

{_facts(source)}

## Scores

{_scores(source)}

## Intended use

{INTENDED_USE}

Samples do not show real patients, but a diffusion model can reproduce scans that it was trained on.
Compare samples with the training scans before you share the samples or the model. Do not try to
identify a person.

## Data

{data_source(source)}. See `LICENSE` for the terms.

## References

{references}
"""


def license_text(source: BundleSource, package: str) -> str:
    """Return the text of LICENSE, with the terms of the code and of both weights files.

    ``package`` is the name of the folder with the code.

    The terms of the denoiser depend on whether it was trained on phantoms or on scans. Those of the
    autoencoder depend on whether it is the one that this package includes.
    """
    return LICENSE.format(
        package=package,
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
