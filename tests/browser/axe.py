"""axe: what a machine can see of WCAG 2.0 to 2.2, A and AA."""

import pytest
from playwright.sync_api import Page

looks = pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1440, "light"),
        (390, "dark"),
        pytest.param(1440, "dark", marks=pytest.mark.soak),
        pytest.param(390, "light", marks=pytest.mark.soak),
        pytest.param(768, "light", marks=pytest.mark.soak),
    ],
)
"""Every width and every theme; each of both, and a tablet, by `make soak`."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def axe(page: Page, source: str, *, within: str = "html") -> list[str]:
    """Each violation with the element that has it; `within` selects what is looked at."""
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
