"""axe: what a machine can see of WCAG 2.0 to 2.2, A and AA."""

import pytest
from playwright.sync_api import Page

from tests.browser.pages import Theme

LOOKS: tuple[tuple[int, Theme], ...] = (
    (1440, "light"),
    (390, "dark"),
    (1440, "dark"),
    (390, "light"),
    (768, "light"),
)
"""Each width in each theme, and a tablet."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def looks(width: int, theme: Theme) -> pytest.MarkDecorator:
    """That look for every run of the tests, and the others by `make soak`."""
    assert (width, theme) in LOOKS
    return pytest.mark.parametrize(
        ("width", "theme"),
        [
            pytest.param(*look, marks=[] if look == (width, theme) else pytest.mark.soak)
            for look in LOOKS
        ],
    )


def axe(page: Page, source: str, *, within: str = "html") -> list[str]:
    """Each violation with the element that has it; `within` selects what is looked at."""
    # What has looked at this document already looks twice as fast.
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(source)
    result = page.evaluate(
        "([within, tags]) => axe.run(within, {runOnly: tags, resultTypes: ['violations']})",
        [within, RULES],
    )
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
