//! The sandbox's web server: HTTP/1.1 on one thread, and what the faces have in common.
//!
//! Ten thousand streams that wait for a ledger cost a thread each where a thread serves a connection; here they cost
//! some hundred bytes each. Everything has a bound ([`Bounds`]), and what happens at it is counted.

mod chunked;
mod connection;
mod date;
mod head;
mod rate_limit;
mod request;
mod response;
mod server;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use rate_limit::{Quota, RateLimiter};
pub(crate) use request::{Method, Query, Request, percent_decode};
pub(crate) use response::Response;
pub(crate) use server::{Bounds, Server, Waker};
pub(crate) use service::{Answer, Feed, Flow, Later, Mishap, Reply, Service};
