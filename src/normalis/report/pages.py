"""A page made from its template."""

from collections.abc import Mapping
from urllib.parse import quote

__all__ = ["render_page"]


def render_page(template: str, values: Mapping[str, object]) -> str:
    """The page's text; whatever the values hold is shown as text, unless the template says else.

    Args:
        template: A file of `templates/`. Beside Jinja's own filters it has `link`, for a path in
            an address, and `nobreak`.
        values: All that it names.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("normalis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(link=quote, nobreak=_nobreak)
    return environment.get_template(template).render(values)


def _nobreak(text: str) -> str:
    """A number and its per cent sign stay on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")
