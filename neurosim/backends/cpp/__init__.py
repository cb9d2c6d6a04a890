"""One compiled C++ program per circuit."""
