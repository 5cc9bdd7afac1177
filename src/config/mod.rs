//! One typed configuration from file, environment and mounted secrets.
