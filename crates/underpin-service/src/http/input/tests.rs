//! What fields and kinds take, refuse and say of themselves.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;

use super::{super::v1::most, *};

/// One field of every way to ask for it.
#[derive(Debug, PartialEq)]
#[expect(clippy::option_option, reason = "the form of the updates")]
struct Form {
    name: String,
    nick: Option<String>,
    age: Option<i32>,
    note: Option<Option<String>>,
    flags: Option<Vec<bool>>,
}

impl Input for Form {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let name = fields.required("name", &Text::some(4));
        let nick = fields.optional("nick", &Text::any());
        let age = fields.settable("age", &Whole(0..=99));
        let note = fields.clearable("note", &Text::any());
        let flags = fields.settable("flags", &List(Flag, 2));
        Ok(Self { name: name?, nick: nick?, age: age?, note: note?, flags: flags? })
    }
}

/// A [`Form`] that takes no offence at other fields, and has a rule for two of its own.
struct Open(Form);

impl Input for Open {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.ignore_others();
        let form = Form::read(fields)?;
        if form.nick.as_ref() == Some(&form.name) {
            return fields.fault("nick", "expected another one than the name".to_owned());
        }
        Ok(Self(form))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// The faults of `value` as a `T`, as the caller gets them.
fn faults<T: Input>(value: Value) -> Value {
    let faults = Nested::<T>::new().read(value).err().unwrap().into_iter();
    serde_json::to_value(faults.map(|fault| fault.within("body")).collect::<Vec<_>>()).unwrap()
}

#[test]
fn absence_and_null_are_what_the_field_says() {
    let read = |value| read::<Form>(object(value), "body").unwrap();
    let name = "Anna".to_owned();
    let bare = Form { name: name.clone(), nick: None, age: None, note: None, flags: None };

    assert_eq!(read(json!({ "name": "Anna" })), bare);
    let nulls = Form { note: Some(None), ..read(json!({ "name": "Anna" })) };
    assert_eq!(read(json!({ "name": "Anna", "nick": null, "note": null })), nulls);
    let full =
        json!({ "name": "Anna", "nick": "", "age": "7", "note": "", "flags": ["true", false] });
    let expected = Form {
        name,
        nick: Some(String::new()),
        age: Some(7),
        note: Some(Some(String::new())),
        flags: Some(vec![true, false]),
    };
    assert_eq!(read(full), expected);
}

#[test]
fn every_fault_is_told_where_it_is() {
    let value = json!({
        "name": "Annabel", "nick": 1, "age": 100, "note": "a\0", "flags": [true, 1], "nme": 1,
    });

    let fault = |kind: &str, last: &[Value], msg: &str| {
        let loc: Vec<_> = std::iter::once(json!("body")).chain(last.iter().cloned()).collect();
        json!({ "type": kind, "loc": loc, "msg": msg })
    };
    let expected = [
        fault("string_too_long", &[json!("name")], "expected text of 1 to 4 characters, found 7"),
        fault("string_type", &[json!("nick")], "expected text, found a number"),
        fault(
            "less_than_equal",
            &[json!("age")],
            "expected a whole number from 0 to 99, found 100",
        ),
        fault("value_error", &[json!("note")], "expected text, found a NUL character"),
        fault(
            "bool_parsing",
            &[json!("flags"), json!(1)],
            "expected `true` or `false`, found a number",
        ),
        fault("extra_forbidden", &[json!("nme")], "no such field is known here"),
    ];
    assert_eq!(faults::<Form>(value), json!(expected));
    let missing = fault("missing", &[json!("name")], "expected text of 1 to 4 characters");
    assert_eq!(faults::<Form>(json!({})), json!([missing]));
    let of_null =
        fault("int_type", &[json!("age")], "expected a whole number from 0 to 99, found null");
    assert_eq!(faults::<Form>(json!({ "name": "A", "age": null })), json!([of_null]));
}

#[test]
fn an_open_form_ignores_what_it_does_not_know_and_keeps_its_rules() {
    let form = read::<Open>(object(json!({ "name": "Anna", "other": 1 })), "query").unwrap();

    assert_eq!(form.0.name, "Anna");
    let fault = json!({
        "type": "value_error", "loc": ["body", "nick"], "msg": "expected another one than the name",
    });
    assert_eq!(faults::<Open>(json!({ "name": "Anna", "nick": "Anna" })), json!([fault]));
    let schema = serde_json::to_value(Body::<Open>::schema()).unwrap();
    assert_eq!(schema.get("additionalProperties"), None);
}

#[test]
fn a_form_describes_itself() {
    let schema = serde_json::to_value(Body::<Form>::schema()).unwrap();

    let expected = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 4 },
            "nick": { "type": ["string", "null"] },
            "age": { "type": "integer", "minimum": 0, "maximum": 99 },
            "note": { "type": ["string", "null"] },
            "flags": { "type": "array", "items": { "type": "boolean" }, "maxItems": 2 },
        },
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);
    let nullable = |schema| serde_json::to_value(kinds::nullable(schema)).unwrap();
    assert_eq!(nullable(Json.schema()), json!({ "type": ["object", "array", "null"] }));
    let list = json!({
        "type": ["array", "null"], "items": { "type": "integer", "minimum": 1 },
        "maxItems": most::TASKS,
    });
    assert_eq!(nullable(List(Id, most::TASKS).schema()), list);
    let status = OneOf::<underpin_models::project::RunStatus>::new().schema();
    let names = json!(["running", "success", "failure", "timeout", "cancelled", null]);
    assert_eq!(nullable(status), json!({ "type": ["string", "null"], "enum": names }));
}

#[test]
fn whole_numbers_have_ends() {
    let (kind, wide) = (Whole(-3..=3), Whole(i32::MIN..=i32::MAX));
    let fault = |kind: &Whole, value| {
        let faults = kind.read(value).unwrap_err();
        serde_json::to_value(&faults).unwrap()[0]["type"].as_str().unwrap().to_owned()
    };

    for (value, expected) in [(json!(-3), -3), (json!(3), 3), (json!("-3"), -3), (json!("0"), 0)] {
        assert_eq!(kind.read(value).unwrap(), expected);
    }
    assert_eq!(wide.read(json!(i32::MIN)).unwrap(), i32::MIN);
    assert_eq!(wide.read(json!(i32::MAX.to_string())).unwrap(), i32::MAX);
    for (value, expected) in [
        (json!(-4), "greater_than_equal"),
        (json!(4), "less_than_equal"),
        (json!(i64::MIN), "greater_than_equal"),
        (json!(i64::MAX), "less_than_equal"),
        (json!(u64::MAX), "int_type"),
        (json!(1.0), "int_type"),
        (json!("1.0"), "int_parsing"),
        (json!("+3"), "int_parsing"),
        (json!("03"), "int_parsing"),
        (json!(" 3"), "int_parsing"),
        (json!("99999999999999999999"), "int_parsing"),
        (json!([3]), "int_type"),
    ] {
        assert_eq!(fault(&kind, value.clone()), expected, "{value}");
    }
}

#[test]
fn json_is_kept_but_for_nul() {
    let text = "\\u0000 is six characters";
    assert_eq!(Json.read(json!([text])).unwrap(), json!([text]).to_string());
    for value in [json!({ "a": [{ "b": "c\0" }] }), json!({ "a\0": 1 }), json!("{}"), json!(null)] {
        assert!(Json.read(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn a_number_is_written_in_one_way() {
    for (text, expected) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("+7", None),
        ("07", None),
        ("-0", None),
        (" 7", None),
        ("7 ", None),
        ("7\n", None),
        ("7.0", None),
        ("0x7", None),
        ("1_0", None),
        ("1e3", None),
        ("\u{664}", None),
        ("", None),
    ] {
        assert_eq!(number(text), expected, "{text:?}");
    }
}

#[test]
fn what_lies_beyond_64_bits_is_known_by_its_sign() {
    for (text, expected) in [
        ("9223372036854775808", Some(i64::MAX)),
        ("+99999999999999999999", Some(i64::MAX)),
        ("-9223372036854775809", Some(i64::MIN)),
        ("9223372036854775807", None),
        ("-9223372036854775808", None),
        ("+7", None),
        ("99999999999999999999x", None),
        ("9999999999999999999.0", None),
        ("--99999999999999999999", None),
        ("\u{664}", None),
        ("-", None),
        ("", None),
    ] {
        assert_eq!(beyond(text), expected, "{text:?}");
    }
}

#[test]
fn the_type_of_a_body_is_json_whatever_its_parameters() {
    let is_json = |kind: &str| {
        let kind = kind.parse().unwrap();
        is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]))
    };
    for kind in ["application/json", "APPLICATION/JSON ; charset=utf-8", "application/problem+json"]
    {
        assert!(is_json(kind), "{kind}");
    }
    for kind in ["text/json", "application/jsonp", "json", "", "application/xml"] {
        assert!(!is_json(kind), "{kind}");
    }
    assert!(!super::is_json(&HeaderMap::new()));
}
