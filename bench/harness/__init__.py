"""The parts of `bench/run`: data (what is served), servers (who serves it), measure (how it is measured),
rows (what has to be reached) and table (how it is printed)."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# the DNS codec and the answers' load are the end-to-end tests'
sys.path.insert(0, str(ROOT / "e2e"))
os.environ["PATH"] += ":/usr/sbin:/sbin"
