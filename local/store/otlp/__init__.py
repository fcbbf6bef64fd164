"""OTLP requests, protobuf or JSON, turned into spans and log lines; imported by the receiver."""
