"""D12: random changes of a cluster's metadata, each seen by what every broker says of it."""
