"""Send spans and log lines to an OTLP receiver; imported by this kit only."""
