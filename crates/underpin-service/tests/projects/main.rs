//! `/api/v1`, the program itself on both dialects: every route, every rule, and that projects stay
//! apart whatever is asked, broken off or killed.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod api;
mod behind;
mod bodies;
mod crash;
mod flat;
mod flat_contract;
mod flat_scope;
mod hostile;
mod isolation;
mod lists;
mod lives;
mod machines;
mod matrix;
mod random;
mod repair;
mod routes;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../common/service.rs"]
mod service;
mod uploads;
mod versions;
