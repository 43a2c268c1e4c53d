//! Kinds of values: what each takes, and what it says when it gets something else.

use std::{marker::PhantomData, ops::RangeInclusive};

use serde_json::Value;
use underpin_models::DbEnum;
use utoipa::openapi::{
    RefOr, Schema,
    schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type},
};

use super::{super::failure::Place, Content, Fault, Fields, Input};

/// A kind of value.
pub(in crate::http) trait Kind {
    /// What it is read as.
    type Value;

    /// Reads a value, or tells every fault in it.
    fn read(&self, value: Value) -> Result<Self::Value, Vec<Fault>>;

    /// What is expected, for people.
    fn expected(&self) -> String;

    /// What is expected, for the document.
    fn schema(&self) -> RefOr<Schema>;
}

/// A fault in a value of `kind`.
fn fault<T>(kind: &impl Kind, code: &'static str, found: &str) -> Result<T, Vec<Fault>> {
    Err(vec![Fault::new(code, format!("expected {}, found {found}", kind.expected()))])
}

/// What `value` is, without quoting it.
fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// `schema`, or `null`.
pub(super) fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let or_null = |kind: SchemaType| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        SchemaType::Array(kinds) => kinds.into_iter().chain([Type::Null]).collect(),
        any @ SchemaType::AnyValue => any,
    };
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = or_null(object.schema_type);
            if let Some(values) = &mut object.enum_values {
                values.push(Value::Null);
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = or_null(array.schema_type);
            RefOr::T(Schema::Array(array))
        }
        other => other,
    }
}

/// Text of so many characters.
#[derive(Clone)]
pub(in crate::http) struct Text(pub(in crate::http) RangeInclusive<usize>);

impl Text {
    /// Not empty, at most so many characters.
    pub(in crate::http) fn some(most: usize) -> Self {
        Self(1..=most)
    }

    /// As much as the body may hold.
    pub(in crate::http) fn any() -> Self {
        Self(0..=usize::MAX)
    }
}

impl Kind for Text {
    type Value = String;

    fn read(&self, value: Value) -> Result<String, Vec<Fault>> {
        let Value::String(text) = value else { return fault(self, "string_type", what(&value)) };
        // PostgreSQL has no place for it, so SQLite gets none either.
        if text.contains('\0') {
            return fault(self, "value_error", "a NUL character");
        }
        let length = text.chars().count();
        if length < *self.0.start() {
            return fault(self, "string_too_short", &length.to_string());
        }
        if length > *self.0.end() {
            return fault(self, "string_too_long", &length.to_string());
        }
        Ok(text)
    }

    fn expected(&self) -> String {
        match (*self.0.start(), *self.0.end()) {
            (0, usize::MAX) => "text".to_owned(),
            (_, usize::MAX) => "text that is not empty".to_owned(),
            (least, most) => format!("text of {least} to {most} characters"),
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        let (least, most) = (*self.0.start(), *self.0.end());
        of_type(Type::String)
            .min_length(Some(least).filter(|least| *least > 0))
            .max_length(Some(most).filter(|most| *most < usize::MAX))
            .into()
    }
}

/// A whole number; text that says one counts as well.
#[derive(Clone)]
pub(in crate::http) struct Whole(pub(in crate::http) RangeInclusive<i32>);

impl Kind for Whole {
    type Value = i32;

    fn read(&self, value: Value) -> Result<i32, Vec<Fault>> {
        let number = match &value {
            Value::Number(number) => match number.as_i64() {
                Some(number) => number,
                None => return fault(self, "int_type", &number.to_string()),
            },
            Value::String(text) => match super::number(text) {
                Some(number) => number,
                None => return fault(self, "int_parsing", "other text"),
            },
            other => return fault(self, "int_type", what(other)),
        };
        match i32::try_from(number) {
            Ok(number) if self.0.contains(&number) => Ok(number),
            _ if number < i64::from(*self.0.start()) => {
                fault(self, "greater_than_equal", &number.to_string())
            }
            _ => fault(self, "less_than_equal", &number.to_string()),
        }
    }

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn schema(&self) -> RefOr<Schema> {
        let (least, most) = (*self.0.start(), *self.0.end());
        of_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).into()
    }
}

/// How many there are of something that is only counted up: of 64 bits; text that says one counts as
/// well.
#[derive(Clone)]
pub(in crate::http) struct Count;

impl Kind for Count {
    type Value = i64;

    fn read(&self, value: Value) -> Result<i64, Vec<Fault>> {
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => super::number(text),
            _ => return fault(self, "int_type", what(&value)),
        };
        match number {
            Some(number) if number >= 0 => Ok(number),
            Some(number) => fault(self, "greater_than_equal", &number.to_string()),
            None => fault(self, "int_parsing", "something else"),
        }
    }

    fn expected(&self) -> String {
        "a whole number from 0".to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        of_type(Type::Integer).minimum(Some(0)).into()
    }
}

/// The number of a row.
#[derive(Clone)]
pub(in crate::http) struct Id;

impl Kind for Id {
    type Value = i32;

    fn read(&self, value: Value) -> Result<i32, Vec<Fault>> {
        Whole(1..=i32::MAX).read(value)
    }

    fn expected(&self) -> String {
        Whole(1..=i32::MAX).expected()
    }

    fn schema(&self) -> RefOr<Schema> {
        of_type(Type::Integer).minimum(Some(1)).into()
    }
}

/// `true` or `false`; the text of one counts as well.
#[derive(Clone)]
pub(in crate::http) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, value: Value) -> Result<bool, Vec<Fault>> {
        match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => fault(self, "bool_parsing", what(other)),
        }
    }

    fn expected(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        of_type(Type::Boolean).into()
    }
}

/// One of the names of an enum, as callers see them.
pub(in crate::http) struct OneOf<E>(PhantomData<E>);

impl<E> OneOf<E> {
    pub(in crate::http) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: DbEnum> Kind for OneOf<E> {
    type Value = E;

    fn read(&self, value: Value) -> Result<E, Vec<Fault>> {
        let Value::String(text) = &value else { return fault(self, "enum", what(&value)) };
        match E::ALL.iter().find(|one| one.wire() == text) {
            Some(one) => Ok(*one),
            None => fault(self, "enum", "another word"),
        }
    }

    fn expected(&self) -> String {
        let names: Vec<_> = E::ALL.iter().map(|one| format!("`{}`", one.wire())).collect();
        format!("one of {}", names.join(", "))
    }

    fn schema(&self) -> RefOr<Schema> {
        let names = E::ALL.iter().map(|one| one.wire());
        of_type(Type::String).enum_values(Some(names)).into()
    }
}

/// Any JSON that is an object or a list, as text.
#[derive(Clone)]
pub(in crate::http) struct Json;

impl Kind for Json {
    type Value = String;

    fn read(&self, value: Value) -> Result<String, Vec<Fault>> {
        match value {
            Value::Object(_) | Value::Array(_) => {
                if has_nul(&value) {
                    return fault(self, "value_error", "a NUL character");
                }
                Ok(value.to_string())
            }
            other => fault(self, "json_type", what(&other)),
        }
    }

    fn expected(&self) -> String {
        "an object or a list".to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        let any = SchemaType::from_iter([Type::Object, Type::Array]);
        ObjectBuilder::new().schema_type(any).into()
    }
}

/// Whether a name or a text in `value` has a NUL character.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A list of at most so many.
pub(in crate::http) struct List<K>(pub(in crate::http) K, pub(in crate::http) usize);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, value: Value) -> Result<Self::Value, Vec<Fault>> {
        let Value::Array(values) = value else { return fault(self, "list_type", what(&value)) };
        if values.len() > self.1 {
            return fault(self, "too_long", &values.len().to_string());
        }
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for (index, value) in values.into_iter().enumerate() {
            match self.0.read(value) {
                Ok(value) => read.push(value),
                Err(wrong) => {
                    faults.extend(wrong.into_iter().map(|one| one.within(Place::Index(index))));
                }
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    fn expected(&self) -> String {
        format!("a list of at most {}", self.1)
    }

    fn schema(&self) -> RefOr<Schema> {
        ArrayBuilder::new().items(self.0.schema()).max_items(Some(self.1)).into()
    }
}

/// An object with fields of its own.
pub(super) struct Nested<T>(PhantomData<fn() -> T>);

impl<T> Nested<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Input> Kind for Nested<T> {
    type Value = T;

    fn read(&self, value: Value) -> Result<T, Vec<Fault>> {
        let Value::Object(values) = value else { return fault(self, "dict_type", what(&value)) };
        let mut fields = Fields::new(values);
        let read = T::read(&mut fields);
        match (fields.finish(), read) {
            (faults, Ok(read)) if faults.is_empty() => Ok(read),
            (faults, _) => Err(faults),
        }
    }

    fn expected(&self) -> String {
        "an object".to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        super::object::<T>()
    }
}

/// A list that is a whole body.
pub(in crate::http) struct Array<T>(pub(in crate::http) Vec<T>);

/// How many objects a body may list.
const MOST: usize = 100;

impl<T: Input> Content for Array<T> {
    fn kind() -> impl Kind<Value = Self> {
        Objects(List(Nested::new(), MOST))
    }
}

/// What an [`Array`] is read as.
struct Objects<T>(List<Nested<T>>);

impl<T: Input> Kind for Objects<T> {
    type Value = Array<T>;

    fn read(&self, value: Value) -> Result<Array<T>, Vec<Fault>> {
        self.0.read(value).map(Array)
    }

    fn expected(&self) -> String {
        self.0.expected()
    }

    fn schema(&self) -> RefOr<Schema> {
        self.0.schema()
    }
}
