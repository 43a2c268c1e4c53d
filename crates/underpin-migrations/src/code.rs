//! What migrations do in Rust: one file for each function that a `metadata.toml` names.
//!
//! A function is as frozen as the script before it. What it needs stands in its own file, so that
//! no later change of the program changes what a migration does.

mod hash_api_tokens;

use underpin_db::Code;

/// Every function that a migration of any set names, for the engine.
pub const CODE: &[Code] = &[Code { name: "hash_api_tokens/1", run: hash_api_tokens::run }];
