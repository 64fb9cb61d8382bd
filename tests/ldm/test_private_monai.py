"""Importing the networks imports none of MONAI's optional packages, and hides none afterwards."""

import subprocess
import sys

# One process checks the modules before, during and after the import, because importing torch takes
# seconds in each process.
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


def test_importing_the_networks_imports_no_optional_packages_and_hides_none():
    done = subprocess.run(
        [sys.executable, "-c", CODE], timeout=240, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
