"""One file per subcommand of `ottla-broker` that looks at a data directory; none of them writes."""
