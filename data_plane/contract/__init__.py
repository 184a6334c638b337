"""What the two planes say to each other: desired state down, observed state up."""
