"""Storage of one replica's partitions; synchronous, through one door to the file system."""
