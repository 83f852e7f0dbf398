"""The sandbox for generated code: bubblewrap or a container; without either it refuses, unless told "unsafe local".

`run.run_python` is the one entry. Not covered: escapes through kernel faults, side channels of the CPU, GPUs, and what
the code learns of the machine from /proc and /usr (kernel version, installed packages, CPU model).
"""
