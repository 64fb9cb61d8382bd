"""The paths of the repository, and of real scans that may be next to it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL_CT = ROOT.parent / "shared" / "real_ct" / "Task07_Pancreas"
