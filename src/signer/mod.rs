//! Keys, and signatures by them.
