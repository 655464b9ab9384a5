"""Settings of the tests that need no network."""

from hypothesis import settings

# A busy machine makes an example slow, and no test is about time.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
