"""The far sides of carriers in `carriers/aggregators`; none knows another, or the stage."""
