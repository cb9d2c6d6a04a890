"""Brian2 inside this Python process, for looking inside."""
