"""The lane program as CUDA kernels: a block of threads for every image in flight."""
