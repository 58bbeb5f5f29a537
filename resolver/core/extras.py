"""Optional parts of the package, which need libraries that not everyone has."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """The hint for a part whose libraries are missing: this package is on no index yet, so none is named.

    Args:
        extra: the part's name, as `pyproject.toml` has it.
    """
    return f"`pip install '.[{extra}]'` in a clone, or `pip install 'PATH/TO/THE.whl[{extra}]'`"
