//! Tables, rows and repositories of the `bot` and the `project` set, one text for both dialects.

mod prepared;
mod repository;

pub mod bot;
pub mod project;
