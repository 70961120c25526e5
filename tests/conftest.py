"""Shape and type checks are on for the whole package, from before its first import."""

from jaxtyping import install_import_hook

_hook = install_import_hook("normalis", "beartype.beartype")
_hook.__enter__()
