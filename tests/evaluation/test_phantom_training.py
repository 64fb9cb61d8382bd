"""Training of the phantom weights: cases, networks that grow, the loss, and the written files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.organs.segmentation import (
    BODY_6MM,
    PANCREAS,
    PHANTOM_WEIGHTS,
    WarmSegmenter,
    check_weights,
)
from evaluation.organs.weights import TOTAL_PARTS
from evaluation.phantom_training.cases import (
    TrainingCase,
    alter_pancreas_box,
    crop_in_air,
    normalize,
)
from evaluation.phantom_training.cases import find_pancreas_box as box_of
from evaluation.phantom_training.layout import dataset_of, layout_of
from evaluation.phantom_training.model_folder import (
    UNUSED_BIAS,
    adopt,
    handicap_pancreas,
    read_training_state,
    spread_channels,
    write_background_only,
)
from evaluation.phantom_training.network import half_logits, unfold_output
from evaluation.phantom_training.training import Trainer, schedule_of, segmentation_loss
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import Phantom, make_phantom

FIRST_SEED = 200_000  # training uses seeds from 100,000 on, cohorts below 10,000


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(FIRST_SEED + i) for i in range(3)]


def test_the_pancreas_has_the_number_in_our_dataset_that_it_has_in_the_package():
    labels = dataset_of(layout_of(297))["labels"]
    assert isinstance(labels, dict)
    assert labels["pancreas"] == PANCREAS


def test_labels_of_a_dataset_are_consecutive():
    labels = dataset_of(layout_of(298))["labels"]
    assert isinstance(labels, dict)
    assert list(labels.values()) == list(range(21))


def test_a_class_that_phantoms_lack_never_wins():
    state = {"decoder.seg_layers.0.bias": torch.tensor([0.5, 0.7])}
    spread = spread_channels(state, [0, 2], 4)["decoder.seg_layers.0.bias"]
    assert spread.tolist() == pytest.approx([0.5, UNUSED_BIAS, 0.7, UNUSED_BIAS])


def test_only_the_logit_of_the_pancreas_is_handicapped():
    state = {"decoder.seg_layers.0.bias": torch.zeros(21)}
    handicap_pancreas(state, 1.5)
    expected = [-1.5 if label == PANCREAS else 0.0 for label in range(21)]
    assert state["decoder.seg_layers.0.bias"].tolist() == expected


def test_a_grown_network_takes_the_stages_of_the_coarse_one_a_stage_deeper():
    own = {f"encoder.stages.{i}.weight": torch.zeros(2) for i in range(3)}
    coarse = {f"encoder.stages.{i}.weight": torch.full((2,), i + 1.0) for i in range(2)}
    grown = adopt(own, coarse, [0], is_grown=True)
    assert [float(value[0]) for value in grown.values()] == [0.0, 1.0, 2.0]


def test_a_1_5mm_network_begins_as_the_3mm_one_on_every_second_voxel():
    grown = Trainer(layout_of(291), schedule_of(layout_of(291), 1), [], seed=1)
    trained = Trainer(layout_of(297), schedule_of(layout_of(297), 1), [], seed=1)
    grown.start_from(PHANTOM_WEIGHTS)
    state = read_training_state(PHANTOM_WEIGHTS, layout_of(297))
    labels = trained.labels
    own = {k: v[labels] if ".seg_layers." in k else v for k, v in state.items()}
    trained.network.load_state_dict(own)
    image = torch.rand(1, 1, 32, 32, 32, generator=torch.manual_seed(0)) * 4
    with torch.no_grad():
        here = half_logits(grown.network, image)
        there = trained.network(image[:, :, ::2, ::2, ::2])
    assert torch.allclose(here, there, atol=1e-2)


def test_an_unfolded_output_begins_as_the_one_a_stage_below_enlarged():
    grown = Trainer(layout_of(291), schedule_of(layout_of(291), 1), [], seed=1)
    grown.start_from(PHANTOM_WEIGHTS)
    unfold_output(grown.network)
    image = torch.from_numpy(normalize(make_phantom(FIRST_SEED).scan.array, (-300, 400)).T.copy())
    with torch.no_grad():
        below = half_logits(grown.network, image[None, None]).argmax(1)
        labels = grown.network(image[None, None]).argmax(1)
    enlarged = below.repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (labels == enlarged).float().mean() > 0.98


def test_a_part_that_is_not_trained_finds_nothing(tmp_path: Path, phantoms: list[Phantom]):
    write_background_only(tmp_path, layout_of(293))
    segment = WarmSegmenter(TOTAL_PARTS[2], weights=tmp_path)
    assert not segment(phantoms[0].scan).any()


def test_air_becomes_zero_as_the_padding_of_nnunet_is():
    assert normalize(np.array([-1000.0], np.float32), (-300.0, 400.0)).tolist() == [0.0]


def test_the_loss_of_a_perfect_prediction_is_near_zero():
    truth = torch.tensor([[[[0, 1], [1, 2]]]])
    logits = torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).float() * 50
    loss, _ = segmentation_loss(logits, truth, weights=torch.ones(3), target=1)
    assert float(loss) == pytest.approx(0.0, abs=1e-5)


def test_an_invented_target_costs_more_than_none():
    truth = torch.zeros(1, 1, 8, 8, dtype=torch.long)
    weights = torch.ones(2)
    invented, none = torch.zeros(1, 2, 1, 8, 8), torch.zeros(1, 2, 1, 8, 8)
    invented[:, 1], none[:, 0] = 5.0, 5.0
    costs = [
        float(segmentation_loss(logits, truth, weights=weights, target=1)[0])
        for logits in (invented, none)
    ]
    assert costs[0] > costs[1] + 1


def case_of(phantom: Phantom) -> TrainingCase:
    labels = np.where(phantom.organs <= Organ.COLON, phantom.organs, 0).astype(np.uint8)
    return TrainingCase(hu=phantom.scan.array, labels=labels, pancreas_box=box_of(labels))


def test_a_box_is_left_alone_replaced_by_nonsense_or_by_a_donor(phantoms: list[Phantom]):
    host, donor = case_of(phantoms[0]), case_of(phantoms[1])
    rng = np.random.default_rng(0)
    altered = [alter_pancreas_box(host, donor, rng) for _ in range(30)]
    sizes = {int((case.labels == Organ.PANCREAS).sum()) for case in altered}
    assert sizes == {
        0,
        int((host.labels == Organ.PANCREAS).sum()),
        int((donor.labels == Organ.PANCREAS).sum()),
    }


def test_a_crop_in_air_keeps_the_whole_pancreas(phantoms: list[Phantom]):
    case = case_of(phantoms[0])
    crop = crop_in_air(case, np.random.default_rng(0))
    assert (crop.labels == Organ.PANCREAS).sum() == (case.labels == Organ.PANCREAS).sum()


def test_training_twice_gives_the_same_losses(phantoms: list[Phantom]):
    layout = layout_of(300)
    cases = [case_of(phantom) for phantom in phantoms[:2]]
    runs = [list(Trainer(layout, schedule_of(layout, 2), cases, seed=1).run()) for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_written_network_passes_the_weights_check(tmp_path: Path):
    layout = layout_of(300)
    trainer = Trainer(layout, schedule_of(layout, 1), [], seed=1)
    trainer.write(tmp_path)
    check_weights(tmp_path, [BODY_6MM])
