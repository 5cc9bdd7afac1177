//! The sandbox's web server: what the faces have in common.

mod request;
mod response;

pub(crate) use request::{Method, Query, Request};
pub(crate) use response::Response;
