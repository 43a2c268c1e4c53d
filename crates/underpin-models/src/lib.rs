//! Tables and rows of the `bot` and the `project` set, one text for both dialects.

pub mod bot;
pub mod project;
