"""The stored facts about a study."""

from dataclasses import replace

import pytest

from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.latents.store import read_manifest
from ldm.errors import InputError
from orchestration.code_version import code_version
from orchestration.study.facts import SizeFacts, StudyFacts, read_study, study_facts, write_study
from tests.support.small_facts import FACTS
from tests.support.small_scan import sample
from tests.support.small_store import write_store
from tests.support.small_sweep import small_sweep
from tests.support.small_task07 import usable


def test_a_study_is_read_as_it_was_written(tmp_path):
    write_study(tmp_path, FACTS)
    assert read_study(tmp_path) == FACTS


def test_exclusions_of_the_cohort_and_of_each_input_size_are_counted():
    of_size = Exclusion(case_id="pancreas_010", reason="its crop is empty")
    sizes = tuple(replace(size, exclusions=(of_size,)) for size in FACTS.sizes)
    assert replace(FACTS, sizes=sizes).n_excluded == 2


@pytest.mark.parametrize("content", ["no JSON", "{}"])
def test_the_error_of_another_version_has_file_and_remedy(tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(InputError, match=r"study\.json.*command of the sweep again"):
        read_study(tmp_path)


MISSING = Exclusion(case_id="x", reason="has no mask")
EMPTY = Exclusion(case_id="y", reason="its crop is empty")


def test_the_facts_are_those_of_the_sweep_its_cohort_and_its_latents(tmp_path):
    config = replace(small_sweep(tmp_path), phantom_parts=("scans",))
    splits = [Split.TRAIN] * 3 + [Split.VALIDATION] * 2 + [Split.TEST]
    scans = tuple(usable(name, split) for name, split in zip("abcdef", splits, strict=True))
    cohort = Cohort(name="small", scans=scans, exclusions=(MISSING,), is_phantom=True)
    named = [(name, sample()) for name in "abd"]
    store = write_store(
        tmp_path / "store", latent_shape=(4, 4, 4, 4), train=named[:2], held_out=named[2:]
    )
    manifest = replace(read_manifest(store), exclusions=(MISSING, EMPTY))
    assert study_facts(config, cohort, {InputSize.FIT: manifest}) == StudyFacts(
        name="pancreas-demo-default",
        crop=Crop.PANCREAS,
        recipe="demo",
        space="default",
        seed=0,
        phantom_notice=config.phantom_notice,
        code=code_version(),
        cohort="small",
        cohort_fingerprint=cohort.fingerprint,
        n_train=3,
        n_validation=2,
        n_test=1,
        exclusions=(MISSING,),
        sizes=(
            SizeFacts(
                input_size=InputSize.FIT,
                n_train=2,
                n_validation=1,
                field_of_view_fraction=(1.0, 1.0, 1.0),
                spacing_mm=(1.0, 1.0, 1.0),
                exclusions=(EMPTY,),
            ),
        ),
    )
