"""Score finalists as in the search, but with TotalSegmentator's models at 1.5 mm and 3 mm."""

from pathlib import Path

from evaluation.attempts import AttemptLog
from evaluation.organs.parts import PartsSegmenter
from evaluation.organs.segmentation import WarmSegmenter
from evaluation.organs.weights import TOTAL_3MM
from evaluation.reference import Instruments
from evaluation.volume_folder import nifti_files, sample_volumes
from ldm.config import TrialConfig
from ldm.data.cohort.cohort import Split
from ldm.data.latents.store import LatentStore, StoreManifest
from ldm.errors import InputError
from orchestration.final_round.scores import Finalist, FinalistScore
from orchestration.scoring.yardstick import Yardstick
from orchestration.study.evaluations import DICE


class FinalistJudge:
    """Scores the samples of finalists.

    ``weights`` is the folder of TotalSegmentator's weights, and ``device`` is where its networks
    run, such as ``cuda``. The networks are loaded once. Real scans and noise are measured once per
    input size.
    """

    def __init__(self, weights: Path, *, device: str) -> None:
        self._instruments = Instruments(
            segmenters=(
                PartsSegmenter(weights=weights, device=device),
                WarmSegmenter(TOTAL_3MM, weights=weights, device=device),
            ),
            networks=(),
            features={},
            scores=(DICE,),
        )
        self._yardsticks: dict[Path, Yardstick] = {}

    def score(self, finalist: Finalist, *, store: Path, reference: Path) -> FinalistScore:
        """Return the score of a finalist's samples.

        ``store`` is the latent store that it was trained on. ``reference`` is the folder that keeps
        the measurements of real scans and noise. Raises InputError if samples are missing.
        """
        config = finalist.record.config
        check_samples(finalist, config.sampling.n_samples)
        judge = self._yardstick(config, store, reference).judge
        attempts = AttemptLog(finalist.folder / "finalist-attempts.json")
        observations = judge.observe(sample_volumes(finalist.samples), attempts)
        return FinalistScore(
            epoch=finalist.evaluation.epoch,
            reference=reference.name,
            is_put_back=judge.is_put_back,
            failed=tuple(one.name for one in observations if one.is_failed),
            dice=judge.measure(observations)[DICE],
        )

    def _yardstick(self, config: TrialConfig, store: Path, reference: Path) -> Yardstick:
        if reference not in self._yardsticks:
            latents = LatentStore(store)
            self._yardsticks[reference] = Yardstick(
                latents,
                reference,
                images=held_out_images(latents.manifest, store),
                crop=config.image.crop,
                instruments=self._instruments,
                n_samples=config.sampling.n_samples,
                seed=config.sampling.seed,
            )
        return self._yardsticks[reference]


def held_out_images(manifest: StoreManifest, store: Path) -> dict[str, Path]:
    """Return the image files of the held-out scans by case id.

    Samples may be segmented inside these scans. Raises InputError if the sweep hashed its cases, so
    that the store does not name the files.
    """
    held_out = manifest.of(Split.VALIDATION)
    if any(scan.image == scan.case_id for scan in held_out):
        raise InputError(
            "scoring finalists needs the files of the held-out scans",
            seen=f"{store} names none of them",
            remedy="run the sweep without --hash-cases to score finalists",
        )
    return {scan.case_id: Path(scan.image) for scan in held_out}


def check_samples(finalist: Finalist, n_samples: int) -> None:
    """Raise InputError unless all ``n_samples`` samples of the evaluation are still there."""
    n_files = len(nifti_files(finalist.samples))
    if n_files != n_samples:
        raise InputError(
            f"a finalist is scored by all {n_samples} samples of its evaluation",
            seen=f"{finalist.samples} has {n_files}",
            remedy="restore the missing files",
        )
