"""Slurm: workers as jobs, and a campaign as one job."""
