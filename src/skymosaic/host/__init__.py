"""The machine that a process runs on: scratch, processes, signals, logs, disks."""
