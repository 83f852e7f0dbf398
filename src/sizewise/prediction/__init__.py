"""Pure: memory, speed, load time, energy and cost of one candidate on one machine for one workload."""
