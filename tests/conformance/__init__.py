"""Suites that every adapter of one interface passes."""
