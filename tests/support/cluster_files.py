"""The cluster files that ship, with their placeholders filled in."""

from tests.support.repository import ROOT

LAB, AWS = ROOT / "ray_cluster.yaml", ROOT / "ray_cluster.aws.yaml"

FILLED_IN = {
    "<head>": "10.77.0.1",
    "<workers>": "10.77.0.2, 10.77.0.3",
    "<user>": "alice",
    "<image>": "ami-0123",
    "<instance profile>": "arn:aws:iam::1:instance-profile/p",
    "<bucket>": "bucket",
    "<package>": "pancreatune",
}


def filled_in(path):
    text = path.read_text()
    for placeholder, value in FILLED_IN.items():
        text = text.replace(placeholder, value)
    return text
