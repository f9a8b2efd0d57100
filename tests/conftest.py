"""What holds for all tests."""

import os

from hypothesis import settings

# CI judges a change by the same examples every time; at the desk each run looks at new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
