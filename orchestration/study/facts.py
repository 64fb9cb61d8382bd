"""The facts about a study for its report, stored in its folder as ``study.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.latents.store import StoreManifest
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.code_version import code_version
from orchestration.settings import SweepConfig

STUDY_FILE = "study.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeFacts:
    """Facts about one input size of a study.

    Attributes
    ----------
    input_size
        How crops are resized to the model's grid.
    n_train, n_validation
        Numbers of scans that were prepared.
    field_of_view_fraction
        Mean fraction of a crop that the model sees along x, y and z.
    spacing_mm
        Mean size of a voxel on the model's grid along x, y and z.
    exclusions
        Scans that could not be prepared, without those that the cohort excludes.
    """

    input_size: InputSize
    n_train: int
    n_validation: int
    field_of_view_fraction: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Facts about a study: its settings, cohort and input sizes.

    Attributes
    ----------
    name
        Name of the study.
    crop, recipe, space, seed
        The options of the sweep.
    phantom_notice
        The notice about parts that are phantoms or were trained on them. None for a real sweep.
    code
        Version of this program. None if unknown.
    cohort, cohort_fingerprint
        Name of the cohort, and a digest of its scans.
    n_train, n_validation, n_test
        Numbers of scans of the cohort in each split.
    exclusions
        The scans that the cohort excludes.
    sizes
        Facts about each input size.
    """

    name: str
    crop: Crop
    recipe: str
    space: str
    seed: int
    phantom_notice: str | None
    code: str | None
    cohort: str
    cohort_fingerprint: str
    n_train: int
    n_validation: int
    n_test: int
    exclusions: tuple[Exclusion, ...]
    sizes: tuple[SizeFacts, ...]

    @property
    def n_excluded(self) -> int:
        """Return the number of exclusions of the cohort plus those of each input size."""
        return len(self.exclusions) + sum(len(size.exclusions) for size in self.sizes)


def study_facts(
    config: SweepConfig, cohort: Cohort, manifests: Mapping[InputSize, StoreManifest]
) -> StudyFacts:
    """Return the facts about a study that is run by this version of the program.

    ``manifests`` are those of the latent store of each input size.
    """
    return StudyFacts(
        name=config.name,
        crop=config.base.image.crop,
        recipe=config.base.recipe,
        space=str(config.options.space),
        seed=config.options.seed,
        phantom_notice=config.phantom_notice,
        code=code_version(),
        cohort=cohort.name,
        cohort_fingerprint=cohort.fingerprint,
        n_train=len(cohort.of(Split.TRAIN)),
        n_validation=len(cohort.of(Split.VALIDATION)),
        n_test=len(cohort.of(Split.TEST)),
        exclusions=cohort.exclusions,
        sizes=tuple(
            _size_facts(size, manifest, cohort.exclusions) for size, manifest in manifests.items()
        ),
    )


def _size_facts(
    size: InputSize, manifest: StoreManifest, known: tuple[Exclusion, ...]
) -> SizeFacts:
    return SizeFacts(
        input_size=size,
        n_train=len(manifest.of(Split.TRAIN)),
        n_validation=len(manifest.of(Split.VALIDATION)),
        field_of_view_fraction=manifest.field_of_view_fraction,
        spacing_mm=manifest.mean_spacing_mm,
        exclusions=tuple(one for one in manifest.exclusions if one not in known),
    )


def write_study(folder: Path, facts: StudyFacts) -> None:
    """Write ``study.json`` into a study's folder."""
    write_dataclass(folder / STUDY_FILE, facts)


def read_study(folder: Path) -> StudyFacts:
    """Read the facts about a study. Raises InputError if they are missing or damaged."""
    remedy = "remove it and run the command of the sweep again, which writes it"
    return read_dataclass(StudyFacts, folder / STUDY_FILE, remedy=remedy)
