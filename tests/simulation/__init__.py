"""Production classes over a simulated network, disk and clock: one seed is one world."""
