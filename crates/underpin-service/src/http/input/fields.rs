//! Reads one field after the other, and remembers every fault.

use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};

use super::{super::failure::Place, Fault, Input, Kind, kinds::nullable};

/// The fields of an object, a query or a path.
#[derive(Default)]
pub(in crate::http) struct Fields {
    values: Map<String, Value>,
    faults: Vec<Fault>,
    /// Every field that was asked for; `None` while a request is read, which needs no description.
    described: Option<Vec<Described>>,
    /// Whether other fields may be there.
    open: bool,
}

/// A value cannot be used, and the fields know why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Noted;

/// A field, as the document has it.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) schema: RefOr<Schema>,
    pub(super) required: bool,
}

/// Every field that was asked for.
pub(super) struct Description {
    pub(super) fields: Vec<Described>,
    pub(super) open: bool,
}

impl Fields {
    pub(super) fn new(values: Map<String, Value>) -> Self {
        Self { values, ..Self::default() }
    }

    /// What `T` asks for.
    pub(super) fn described<T: Input>() -> Description {
        let mut fields = Self { described: Some(Vec::new()), ..Self::default() };
        drop(T::read(&mut fields));
        Description { fields: fields.described.unwrap_or_default(), open: fields.open }
    }

    /// Fields that nobody asks for are ignored; otherwise each is a fault, as a misspelt one would
    /// silently change nothing.
    pub(in crate::http) fn ignore_others(&mut self) {
        self.open = true;
    }

    /// A field that must be there.
    pub(in crate::http) fn required<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
    ) -> Result<K::Value, Noted> {
        self.describe(name, || kind.schema(), true);
        if let Some(value) = self.values.remove(name) {
            return self.read(name, kind, value);
        }
        let fault = Fault::new("missing", format!("expected {}", kind.expected()));
        self.faults.push(fault.within(name));
        Err(Noted)
    }

    /// A field that may be absent or `null`, which is the same.
    pub(in crate::http) fn optional<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
    ) -> Result<Option<K::Value>, Noted> {
        self.clearable(name, kind).map(Option::flatten)
    }

    /// A field that may be absent; `null` is a fault, for the value cannot be cleared.
    pub(in crate::http) fn settable<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
    ) -> Result<Option<K::Value>, Noted> {
        self.describe(name, || kind.schema(), false);
        match self.values.remove(name) {
            Some(value) => self.read(name, kind, value).map(Some),
            None => Ok(None),
        }
    }

    /// A field whose absence leaves a value and whose `null` clears it.
    #[expect(clippy::option_option, reason = "the form of the updates that it is read for")]
    pub(in crate::http) fn clearable<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
    ) -> Result<Option<Option<K::Value>>, Noted> {
        self.describe(name, || nullable(kind.schema()), false);
        match self.values.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => self.read(name, kind, value).map(|value| Some(Some(value))),
        }
    }

    /// Notes that what was read cannot be used as a whole.
    pub(in crate::http) fn fault<T>(
        &mut self,
        name: &'static str,
        message: String,
    ) -> Result<T, Noted> {
        self.faults.push(Fault::new("value_error", message).within(name));
        Err(Noted)
    }

    /// What was wrong.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        if !self.open {
            let others = self.values.keys().map(|name| {
                let fault = Fault::new("extra_forbidden", "no such field is known here".to_owned());
                fault.within(Place::Name(name.clone()))
            });
            self.faults.extend(others);
        }
        self.faults
    }

    fn describe(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> RefOr<Schema>,
        required: bool,
    ) {
        if let Some(described) = &mut self.described {
            described.push(Described { name, schema: schema(), required });
        }
    }

    fn read<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
        value: Value,
    ) -> Result<K::Value, Noted> {
        match kind.read(value) {
            Ok(value) => Ok(value),
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| fault.within(name)));
                Err(Noted)
            }
        }
    }
}
