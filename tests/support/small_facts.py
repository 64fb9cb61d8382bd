"""The facts of a small study."""

from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Exclusion
from orchestration.study.facts import SizeFacts, StudyFacts

FACTS = StudyFacts(
    name="pancreas-demo-default",
    crop=Crop.PANCREAS,
    recipe="demo",
    space="default",
    seed=0,
    phantom_notice="PHANTOM RUN: generated phantoms.",
    code="0.1.0, commit 1a2b3c4",
    cohort="phantoms",
    cohort_fingerprint="85ae12281cacffea",
    n_train=28,
    n_validation=8,
    n_test=4,
    exclusions=(Exclusion(case_id="pancreas_009", reason="has no mask"),),
    sizes=(
        SizeFacts(
            input_size=InputSize.FIT,
            n_train=28,
            n_validation=8,
            field_of_view_fraction=(1.0, 1.0, 1.0),
            spacing_mm=(2.4, 1.0, 2.0),
            exclusions=(),
        ),
    ),
)
