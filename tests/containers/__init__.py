"""The container images, tried with real engines; `scripts/test-containers` runs it all.

It needs root on a Debian machine, because it installs what is missing and starts a Docker engine of
its own where none runs. What it starts it stops, by process id.
"""
