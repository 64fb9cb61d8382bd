"""A reference computes only the scores that are asked for, and reads only the scans they need."""

from evaluation.reference import Instruments, Reference, build_judge
from ldm.config import Crop
from tests.support.small_scan import organ, sample


def volumes():
    """Return three volumes of different tissue, the last one without an organ."""
    return [(name, sample(name != "c", 30 + 10 * index)) for index, name in enumerate("abc")]


def unwanted():
    raise AssertionError("training scans are looked at, and nothing is measured against them")


def judge_of(cache, *scores, training=volumes):
    reference = Reference(crop=Crop.PANCREAS, held_out=volumes, training=training, hosts=())
    instruments = Instruments(segmenters=(organ, organ), networks=(), features={}, scores=scores)
    return build_judge(reference, instruments, n=3, cache=cache)


def test_one_score_is_measured_where_one_is_wanted_and_reads_no_training_scan(tmp_path):
    judge = judge_of(tmp_path, "totalsegmentator_dice", training=unwanted)
    (one,) = judge.measure(judge.observe([("s", sample(tissue_hu=80))])).measurements
    assert (one.name, one.score.value) == ("totalsegmentator_dice", 1)
    assert not (tmp_path / "training.safetensors").exists()


def test_it_has_the_anchors_that_it_has_among_all_scores(tmp_path):
    wanted = judge_of(tmp_path / "one", "totalsegmentator_dice").anchors
    everything = judge_of(tmp_path / "all", training=tuple).anchors
    assert len(everything) > len(wanted) == 1
    assert wanted["totalsegmentator_dice"] == everything["totalsegmentator_dice"]
    assert wanted["totalsegmentator_dice"].real.value == 2 / 3
