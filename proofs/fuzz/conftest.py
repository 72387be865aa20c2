"""The number of examples is an option: `--examples`."""

from hypothesis import HealthCheck, Phase, settings


def pytest_addoption(parser):
    """Let a run be long."""
    parser.addoption("--examples", type=int, default=200, help="examples of each test (default: 200)")


def pytest_configure(config):
    """Draw other examples each time, but none that takes too long to count."""
    settings.register_profile(
        "fuzz",
        max_examples=config.getoption("examples"),
        deadline=None,
        database=None,
        phases=(Phase.generate,),  # what is found is short already, and shrinking bytes takes minutes
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("fuzz")
