"""Kubernetes: a campaign's objects, their submission, and the driver's way to its workers."""
