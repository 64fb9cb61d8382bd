"""Where the repository is, and the real scans that may lie beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL_CT = ROOT.parent / "shared" / "real_ct" / "Task07_Pancreas"
