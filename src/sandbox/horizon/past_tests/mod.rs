//! The past as clients ask for it: over a lively world, and over transactions of every kind, made by hand.

mod bodies;
mod effects;
mod ledgers;
mod operations;
mod pages;
mod story;
mod tale;
mod transactions;

use serde_json::Value;

/// An object's members by name, in order.
fn members(of: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = of.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Checks that an object has these members and no others; `extra` are those of its type.
fn assert_members(of: &Value, common: &[&str], extra: &str) {
    let mut wanted: Vec<&str> = common.iter().copied().chain(extra.split_whitespace()).collect();
    wanted.sort_unstable();
    assert_eq!(members(of), wanted, "of {of:#}");
}

/// An amount in stroops.
fn stroops(of: &Value) -> i64 {
    let text = of.as_str().unwrap_or_else(|| panic!("{of} is no amount"));
    let (whole, fraction) = text.split_once('.').unwrap();
    assert_eq!(fraction.len(), 7, "{text}");
    format!("{whole}{fraction}").parse().unwrap()
}
