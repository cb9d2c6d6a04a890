"""Brian2 inside this Python process, for looking inside."""

# it imports Brian2 with care, so before any module here does
import neurosim.backends.brian  # noqa: F401
