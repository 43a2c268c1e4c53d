//! What a message says: a JSON object, read field by field.
//!
//! A refusal names the field, what was expected and what kind of value was found, and never the
//! value: it may be a secret.

use std::fmt;

use serde_json::{Map, Value};

/// The longest name, in characters. An index of PostgreSQL takes keys of at most a third of a page.
const LONGEST_NAME: usize = 255;

/// A message that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It is no JSON object, but this.
    NotAnObject(&'static str),
    /// A field is absent, `null` or empty.
    Missing(&'static str),
    /// A field is something else.
    Field { name: &'static str, expected: &'static str, found: &'static str },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject(found) => write!(f, "expected a JSON object, found {found}"),
            Self::Missing(name) => write!(f, "`{name}`: expected a value, found none"),
            Self::Field { name, expected, found } => {
                write!(f, "`{name}`: expected {expected}, found {found}")
            }
        }
    }
}

/// The fields of a message. Those that nobody asks for are ignored.
#[derive(Debug)]
pub(crate) struct Payload(Map<String, Value>);

impl Payload {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => Err(Malformed::NotAnObject(kind(&other))),
            Err(_) if bytes.is_empty() => Err(Malformed::NotAnObject("an empty message")),
            Err(_) => Err(Malformed::NotAnObject("something that is not JSON")),
        }
    }

    /// An object inside this one, with at least one field.
    pub(crate) fn object(&self, name: &'static str) -> Result<Self, Malformed> {
        match self.0.get(name) {
            Some(Value::Object(fields)) if !fields.is_empty() => Ok(Self(fields.clone())),
            None | Some(Value::Null | Value::Object(_)) => Err(Malformed::Missing(name)),
            Some(other) => Err(wrong(name, "an object", other)),
        }
    }

    /// Whether the field is there, be it `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The name of a user or a command: text that is not empty.
    pub(crate) fn name(&self, name: &'static str) -> Result<String, Malformed> {
        let text = self.text(name)?;
        if text.chars().count() > LONGEST_NAME {
            let (expected, found) = ("at most 255 characters", "more");
            return Err(Malformed::Field { name, expected, found });
        }
        Ok(text)
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, name: &'static str) -> Result<String, Malformed> {
        self.optional_text(name)?.ok_or(Malformed::Missing(name))
    }

    /// Text, or nothing when it is absent, `null` or empty.
    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<String>, Malformed> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            // PostgreSQL cannot store it.
            Some(Value::String(text)) if text.contains('\0') => {
                let (expected, found) = ("text", "text with a NUL character");
                Err(Malformed::Field { name, expected, found })
            }
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(other) => Err(wrong(name, "text", other)),
        }
    }

    /// An integer of 64 bits.
    pub(crate) fn integer(&self, name: &'static str) -> Result<i64, Malformed> {
        self.optional_integer(name)?.ok_or(Malformed::Missing(name))
    }

    /// An integer, or nothing when it is absent or `null`.
    pub(crate) fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, Malformed> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(name, "an integer", value)),
        }
    }

    /// An integer, `default` when the field is absent. `null` is refused.
    pub(crate) fn integer_or(&self, name: &'static str, default: i64) -> Result<i64, Malformed> {
        if self.has(name) { self.integer(name) } else { Ok(default) }
    }

    /// A number of things, `default` when the field is absent.
    pub(crate) fn count_or(&self, name: &'static str, default: i64) -> Result<i64, Malformed> {
        not_negative(name, self.integer_or(name, default)?)
    }

    /// A number of things, or nothing when it is absent or `null`.
    pub(crate) fn optional_count(&self, name: &'static str) -> Result<Option<i64>, Malformed> {
        self.optional_integer(name)?.map(|count| not_negative(name, count)).transpose()
    }

    /// A number, whole or not, or nothing when it is absent or `null`.
    pub(crate) fn optional_number(&self, name: &'static str) -> Result<Option<f64>, Malformed> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(name, "a number", value)),
        }
    }

    /// `true` or `false`, or 1 or 0 as the bot sends them, or nothing when it is absent or `null`.
    pub(crate) fn optional_flag(&self, name: &'static str) -> Result<Option<bool>, Malformed> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match (value.as_bool(), value.as_i64()) {
                (Some(flag), _) => Ok(Some(flag)),
                (None, Some(number @ (0 | 1))) => Ok(Some(number == 1)),
                _ => Err(wrong(name, "`true`, `false`, 1 or 0", value)),
            },
        }
    }
}

fn not_negative(name: &'static str, number: i64) -> Result<i64, Malformed> {
    let (expected, found) = ("0 or more", "a negative number");
    if number < 0 { Err(Malformed::Field { name, expected, found }) } else { Ok(number) }
}

fn wrong(name: &'static str, expected: &'static str, found: &Value) -> Malformed {
    Malformed::Field { name, expected, found: kind(found) }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(number) if number.as_i64().is_none() => "a number beyond 64 bits",
        Value::Number(_) => "an integer",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
