"""nnU-Net builds, in the installed version, a network of a plans file as it is asked to."""

import torch

from evaluation.organs.private_nnunet import build_network
from evaluation.organs.weights import BODY_6MM
from evaluation.phantom_training.layout import (
    IMPORTED_ARGUMENTS,
    NETWORK_CLASS,
    layout_of,
    network_arguments,
)


def test_a_network_of_plans_labels_each_voxel_of_one_channel():
    arguments = network_arguments(layout_of(BODY_6MM.task_id))
    network = build_network(NETWORK_CLASS, arguments, IMPORTED_ARGUMENTS, n_outputs=3)
    assert network(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 3, 16, 16, 16)
