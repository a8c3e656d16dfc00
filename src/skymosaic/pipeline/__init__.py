"""The steps of a campaign, and the graph that they form."""
