"""The study's models agree with its Tables 1 and 6, which are copied here by hand."""

import pytest

from ldm.config import Crop
from search_spaces.study import STUDY_MODELS, study_models

FULL_SIZE, SMALL_SIZE = "512x512xZ", "240x240x155"
TABLES = [  # crop, input size, epochs, milestones, learning rate, gamma
    (Crop.FULL_BODY, FULL_SIZE, 4600, (100, 1000), 1e-5, 0.1),
    (Crop.PANCREAS, FULL_SIZE, 1600, (100, 1000), 1e-5, 0.1),
    (Crop.PANCREAS, FULL_SIZE, 2600, (700, 1400), 1e-5, 0.1),
    (Crop.PANCREAS, FULL_SIZE, 1000, (100, 1000), 1e-4, 0.1),
    (Crop.PANCREAS, FULL_SIZE, 1100, (100, 1000), 1e-5, 0.5),
    (Crop.PANCREAS, SMALL_SIZE, 1800, (100, 1000), 1e-5, 0.1),
    (Crop.SEMI_BODY, SMALL_SIZE, 1800, (100, 1000), 1e-5, 0.1),
]


def test_the_study_has_seven_models():
    assert len(STUDY_MODELS) == len(TABLES) == 7


@pytest.mark.parametrize("index", range(7))
def test_a_model_is_as_the_tables_have_it(index):
    model = STUDY_MODELS[index]
    found = (model.crop, model.input_size, model.epochs, model.milestones_epochs)
    assert (*found, model.learning_rate, model.gamma) == TABLES[index]
    assert model.name.startswith(f"study {index + 1} ")
    assert model.schedule_name == f"learning schedule of study {index + 1}"


@pytest.mark.parametrize(
    ("crop", "numbers"),
    [(Crop.FULL_BODY, [1]), (Crop.PANCREAS, [2, 3, 4, 5, 6]), (Crop.SEMI_BODY, [7])],
)
def test_each_crop_has_its_models_in_the_order_of_the_table(crop, numbers):
    assert [int(model.name[6]) for model in study_models(crop)] == numbers
