//! What the service answers over HTTP: the program itself, on both dialects.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod access;
mod api;
mod browser;
mod dead_letters;
mod document;
mod hostile;
mod hosts;
mod metrics;
mod page;
mod projects;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../common/service.rs"]
mod service;
mod siege;
mod tokens;
mod window;
