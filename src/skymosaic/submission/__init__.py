"""Campaigns handed over to a cluster, which drives them there: a module for each back end."""
