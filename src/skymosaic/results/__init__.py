"""What a store holds of a campaign, read back: outcome, report, status, upkeep."""
