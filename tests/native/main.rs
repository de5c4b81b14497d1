//! What the service does, natively.
