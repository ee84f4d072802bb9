"""What the program costs, measured; `python -m benchmarks` runs all, `python -m benchmarks NAME` one."""
