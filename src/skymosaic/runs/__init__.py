"""Driving a campaign or a program: here, or handed over to a cluster."""
