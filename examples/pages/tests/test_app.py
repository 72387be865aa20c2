"""The tests of the application load the module that depends on the target."""

from app import db


def test_the_limit_is_that_of_the_settings():
    assert db.limit() == 10
