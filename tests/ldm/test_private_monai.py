"""The way around MONAI's imports does, with the installed MONAI, what it is there for."""

import subprocess
import sys

# One process, for each takes seconds to import torch: before, during, after.
CODE = """
import sys
import pandas
before = pandas
import ldm.networks
found = {"mlflow", "torchvision", "matplotlib"} & set(sys.modules)
assert not found, f"imported without need: {found}"
assert sys.modules["pandas"] is before, "a package that was imported before is another one now"
from ldm.private_monai import perceptual_losses
loss = perceptual_losses().PerceptualLoss(
    spatial_dims=3, network_type="resnet50", is_fake_3d=True, pretrained=False
)
assert loss.perceptual_function, "MONAI's perceptual loss does not find torchvision"
import mlflow, torchvision, matplotlib
mlflow.MlflowClient, torchvision.ops, matplotlib.colors, pandas.Series
"""


def test_monai_imports_no_optional_package_and_hides_none_afterwards():
    done = subprocess.run(
        [sys.executable, "-c", CODE], timeout=240, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
