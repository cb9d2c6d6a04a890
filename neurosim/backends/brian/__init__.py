"""From a circuit to Brian2 objects: the front that all back ends share."""

import sys

# When first imported, Brian2 notes the command line, and fails at names that are no text.
_arguments = sys.argv
sys.argv = [word.encode(errors="replace").decode() for word in _arguments]
try:
    import brian2  # noqa: F401
finally:
    sys.argv = _arguments
