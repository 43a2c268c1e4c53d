//! Tables, rows and repositories of the sets of migrations, one text for both dialects.

mod db_enum;
mod prepared;
mod repository;

pub mod bot;
pub mod project;
pub mod registry;

pub use db_enum::{DbEnum, UnknownName};
