"""What the recipe ``thesis`` does in another way than the study, and why.

The study is O. Drenth's bachelor thesis (Leiden University, 2024). It used MONAI's bundle
brats_mri_generative_diffusion. Standard library only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part of the method: what the study did, what this program does, and why."""

    part: str
    study: str
    here: str
    reason: str


STUDY_DIFFERENCES = (
    Difference(
        part="intensity",
        study="each scan is scaled by its own percentiles (0 and 99.5)",
        here="one window for all scans, -1000 to 1000 HU",
        reason="otherwise samples have no HU, which the histograms and TotalSegmentator need",
    ),
    Difference(
        part="interpolation",
        study="a scan is resized, then resampled to 1.1 mm",
        here="both steps in one interpolation",
        reason="it blurs less, and a sample can be put back into a scan",
    ),
    Difference(
        part="semi-body crop",
        study="the largest square inside the body",
        here="the largest cube inside the trunk",
        reason="a crop of a volume needs a third side",
    ),
    Difference(
        part="training scans",
        study="it does not say which scans it left out of the training",
        here="70 % of the patients",
        reason="scores need scans that the model has not seen",
    ),
    Difference(
        part="latents",
        study="the encoder runs at every step",
        here="the mean and the standard deviation are stored in half precision, and each step "
        "draws from them",
        reason="it draws from the same distribution in less time",
    ),
    Difference(
        part="latent scale",
        study="the standard deviation of the first batch of 4 scans",
        here="the standard deviation of all training scans",
        reason="all trials then share one scale, which no shuffle changes",
    ),
    Difference(
        part="precision of decoding",
        study="float16",
        here="float32",
        reason="float16 has steps of up to 1 HU",
    ),
    Difference(
        part="epochs",
        study="1000 to 4600, by model",
        here="1600, or those of each model with --space thesis",
        reason="trials of one search have one budget",
    ),
)
