"""The stored facts about a study."""

from dataclasses import replace

import pytest

from ldm.data.cohort.cohort import Exclusion
from ldm.errors import InputError
from orchestration.study.facts import read_study, write_study
from tests.support.small_facts import FACTS


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
