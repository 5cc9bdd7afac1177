//! Stellar RPC: JSON-RPC 2.0, the methods that trading clients use.
