//! placeholder
use crate::Report;
impl Report { 
/// x
#[must_use] pub fn html(&self) -> String { String::new() } }
