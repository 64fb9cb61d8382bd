"""The seven models of the study (Tables 1 and 6 of the study) and their settings.

The study is O. Drenth's bachelor thesis (Leiden University, 2024), which this program repeats.
"""

from dataclasses import dataclass

from ldm.config import Crop


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyModel:
    """Settings of one of the study's models, with the study's own numbers of epochs.

    Attributes
    ----------
    name
        Name of the model, shown for a trial that trains it in the study's way.
    crop
        The crop.
    input_size
        A value of ``InputSize``.
    epochs
        Epochs of the training.
    learning_rate
        Initial learning rate.
    milestones_epochs
        Epochs after which the rate is multiplied by ``gamma``.
    gamma
        Factor of the learning rate at each milestone.
    batch_size
        Scans per optimizer step.
    """

    name: str
    crop: Crop
    input_size: str
    epochs: int
    learning_rate: float = 1e-5
    milestones_epochs: tuple[int, int] = (100, 1000)
    gamma: float = 0.1
    batch_size: int = 4

    @property
    def schedule_name(self) -> str:
        """The name of a trial that has only the model's learning schedule and input size.

        Its objective, batch size and other settings are those of a recipe.
        """
        return f"learning schedule of {' '.join(self.name.split()[:2])}"


STUDY_MODELS = (
    StudyModel(name="study 1 full body", crop=Crop.FULL_BODY, input_size="512x512xZ", epochs=4600),
    StudyModel(name="study 2 default", crop=Crop.PANCREAS, input_size="512x512xZ", epochs=1600),
    StudyModel(
        name="study 3 milestones",
        crop=Crop.PANCREAS,
        input_size="512x512xZ",
        epochs=2600,
        milestones_epochs=(700, 1400),
    ),
    StudyModel(
        name="study 4 rate",
        crop=Crop.PANCREAS,
        input_size="512x512xZ",
        epochs=1000,
        learning_rate=1e-4,
    ),
    StudyModel(
        name="study 5 gamma", crop=Crop.PANCREAS, input_size="512x512xZ", epochs=1100, gamma=0.5
    ),
    StudyModel(
        name="study 6 input size", crop=Crop.PANCREAS, input_size="240x240x155", epochs=1800
    ),
    StudyModel(
        name="study 7 semi-body", crop=Crop.SEMI_BODY, input_size="240x240x155", epochs=1800
    ),
)


def study_models(crop: Crop) -> tuple[StudyModel, ...]:
    """Return the study's models of a crop, in the order of the study's Table 1."""
    return tuple(model for model in STUDY_MODELS if model.crop is crop)
