"""What a run writes of itself into its store: record, log, metrics, requests, submission."""
