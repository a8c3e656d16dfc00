"""One step of a campaign: its key, its products, its manifest; and how steps are called."""
