"""What every test relies on: a cache of its own, and property tests with the same examples everywhere."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sprig", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sprig")


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory):
    """Indexes go to a folder of this session, never to the user's cache."""
    before = os.environ.get("SPRIG_CACHE_DIR")
    os.environ["SPRIG_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["SPRIG_CACHE_DIR"]
    else:
        os.environ["SPRIG_CACHE_DIR"] = before
