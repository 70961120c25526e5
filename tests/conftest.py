"""Shape and type checks are on for the whole package, from before its first import.

No property test has a deadline: how long an example takes says more of the machine than of us.

One thread for each process: tiny tensors gain nothing from two, and only runs with equal numbers
of threads give equal bits.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for child processes

from hypothesis import settings
from jaxtyping import install_import_hook

settings.register_profile("normalis", deadline=None)
settings.load_profile("normalis")

_hook = install_import_hook("normalis", "beartype.beartype")
_hook.__enter__()
