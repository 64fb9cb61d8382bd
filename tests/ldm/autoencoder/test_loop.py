"""The training loop: exact resumption, the trained weights, and errors for infinite losses."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm.autoencoder import loop as autoencoder_loop
from ldm.autoencoder.config import Start, TrainedPart
from ldm.errors import InputError, NonFiniteLossError
from tests.support.small_autoencoder import (
    ADVERSARIAL,
    run_steps,
    tiny_config,
    tiny_scans,
    tiny_training,
)

ALL_MOVE = {"start": Start.RANDOM, "trained": TrainedPart.ALL, "kl_weight": 1e-6}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return tiny_scans(tmp_path_factory.mktemp("grids"))


def same_bits(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def stopped_and_resumed(scans, tmp_path_factory):
    """Take 10 steps in one training, and 5 + 5 steps with a checkpoint in between.

    The discriminator starts at step 3.
    """
    config = tiny_config(adversarial=ADVERSARIAL, **ALL_MOVE)
    whole, first, second = (tiny_training(scans, config) for _ in range(3))
    reports = run_steps(whole, 10)
    parts = run_steps(first, 5)
    second.resume(first.save(tmp_path_factory.mktemp("checkpoints")))
    return whole, second, reports, parts + run_steps(second, 5)


@pytest.mark.parametrize("name", ["autoencoder", "discriminator"])
def test_a_resumed_training_has_the_same_weights_to_the_bit(stopped_and_resumed, name):
    whole, resumed = (training.learners[name] for training in stopped_and_resumed[:2])
    assert same_bits(whole.network.state_dict(), resumed.network.state_dict())


@pytest.mark.parametrize("name", ["autoencoder", "discriminator"])
def test_a_resumed_training_has_the_same_optimizers_to_the_bit(stopped_and_resumed, name):
    whole, resumed = (t.learners[name].optimizer.state_dict() for t in stopped_and_resumed[:2])
    assert [g["lr"] for g in whole["param_groups"]] == [g["lr"] for g in resumed["param_groups"]]
    assert whole["state"].keys() == resumed["state"].keys() != set()
    assert all(same_bits(whole["state"][i], resumed["state"][i]) for i in whole["state"])


def test_a_resumed_training_draws_and_reports_the_same(stopped_and_resumed):
    whole, resumed, *both = stopped_and_resumed
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())
    assert whole.step == resumed.step == 10
    one, other = (
        [dataclasses.replace(report, seconds_per_step=0.0) for report in reports]
        for reports in both
    )
    assert one == other


def test_the_discriminator_joins_after_its_warm_up(stopped_and_resumed):
    reports = stopped_and_resumed[2]
    assert [report.adversarial > 0 for report in reports] == [False] * 3 + [True] * 7
    assert [report.discriminator > 0 for report in reports] == [False] * 3 + [True] * 7


def test_the_loss_is_the_weighted_sum_of_its_parts(stopped_and_resumed):
    report = stopped_and_resumed[2][-1]
    parts = report.error_hu / 2000 + 1e-6 * report.kl + 0.1 * report.adversarial
    assert report.loss == pytest.approx(parts, rel=1e-5)


def test_all_weights_are_trained(scans):
    training = tiny_training(scans, tiny_config(**ALL_MOVE))
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    run_steps(training, 3)
    still = [n for n, v in training.network.state_dict().items() if torch.equal(v, before[n])]
    assert still == []


def test_the_encoder_and_the_ends_of_the_decoder_are_not_trained(scans):
    training = tiny_training(scans)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    run_steps(training, 3)
    state = training.network.state_dict()
    changed = {name for name, value in state.items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("decoder.blocks.") for name in changed)
    assert not any(name.startswith(("decoder.blocks.0.", "decoder.blocks.7.")) for name in changed)


def test_training_makes_the_decoder_robust_to_noise(scans):
    training = tiny_training(scans, tiny_config(n_steps=80, learning_rate=1e-3))
    errors = [report.error_hu for report in training.reports()]
    assert sum(errors[-20:]) < 0.9 * sum(errors[:20])


def test_a_loss_that_is_not_finite_names_its_step(scans):
    training = tiny_training(scans)
    run_steps(training, 2)
    with torch.no_grad():
        next(training.network.decoder.parameters()).fill_(float("nan"))
    with pytest.raises(NonFiniteLossError, match=r"autoencoder is nan at step 2 \(learning rate"):
        run_steps(training, 1)


def test_a_discriminator_that_is_not_finite_is_named(scans):
    adversarial = dataclasses.replace(ADVERSARIAL, start_step=0)
    training = tiny_training(scans, tiny_config(adversarial=adversarial))
    with torch.no_grad():
        next(training.learners["discriminator"].network.parameters()).fill_(float("inf"))
    with pytest.raises(NonFiniteLossError, match="discriminator is nan at step 0"):
        run_steps(training, 1)


def test_a_checkpoint_of_another_configuration_is_refused(scans, tmp_path):
    training = tiny_training(scans)
    run_steps(training, 1)
    path = training.save(tmp_path)
    with pytest.raises(InputError, match=r"step_0000001 was written by configuration .* --to"):
        tiny_training(scans, tiny_config(seed=1)).resume(path)


@pytest.mark.parametrize("name", ["autoencoder", "discriminator"])
def test_a_checkpoint_without_an_optimizers_state_is_refused(scans, tmp_path, name):
    config = tiny_config(adversarial=ADVERSARIAL, **ALL_MOVE)
    training = tiny_training(scans, config)
    run_steps(training, 4)
    path = training.save(tmp_path)
    tensors = load_file(path / "tensors.safetensors")
    kept = {k: v for k, v in tensors.items() if not k.startswith(f"{name}.optimizer.")}
    assert len(kept) < len(tensors)
    save_file(kept, path / "tensors.safetensors")
    with pytest.raises(InputError, match="does not hold a complete checkpoint"):
        tiny_training(scans, config).resume(path)


def test_a_damaged_checkpoint_is_named(scans, tmp_path):
    training = tiny_training(scans)
    path = training.save(tmp_path)
    tensors = path / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:1000])
    with pytest.raises(InputError, match="missing or damaged"):
        tiny_training(scans).resume(path)


def test_the_last_two_checkpoints_are_kept_without_pickles(scans, tmp_path):
    training = tiny_training(scans)
    for _ in run_steps(training, 3):
        training.save(tmp_path)
    for _ in range(2):
        run_steps(training, 1)
        training.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_0000004", "step_0000005"]
    files = {path.name for path in (tmp_path / "step_0000005").iterdir()}
    assert files == {"state.json", "tensors.safetensors"}


def test_in_bfloat16_it_trains_much_the_same(scans, monkeypatch):
    # Only one layer: with two, the input of the last convolution is less deep (3 voxels) than its
    # kernel (4). On CPUs with AVX-512 but without native bfloat16, oneDNN 3.12 then computes the
    # weight gradients from uninitialized memory, and now and then they are not finite.
    adversarial = dataclasses.replace(ADVERSARIAL, start_step=0, n_layers=1)
    config = tiny_config(adversarial=adversarial, **ALL_MOVE)
    single = run_steps(tiny_training(scans, config), 2)
    monkeypatch.setattr(autoencoder_loop, "is_bfloat16_fast", lambda _: True)
    half = run_steps(tiny_training(scans, config), 2)
    assert half[1].loss != single[1].loss
    assert half[1].loss == pytest.approx(single[1].loss, rel=0.05)


def test_recomputed_activations_change_nothing(scans):
    one, other = (
        tiny_training(scans, tiny_config(recompute_activations=recompute, **ALL_MOVE))
        for recompute in (False, True)
    )
    assert [r.loss for r in run_steps(one, 3)] == pytest.approx(
        [r.loss for r in run_steps(other, 3)], rel=1e-5
    )
