"""One program per circuit, called in this process; several images run in lanes side by side."""
