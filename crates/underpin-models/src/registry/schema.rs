//! The tables of the `registry` set at the head of its migrations.

#![expect(missing_docs, reason = "the row structs say what each column means")]

diesel::table! {
    project_changes (id) {
        id -> Integer,
        newest -> BigInt,
    }
}

diesel::table! {
    registered_projects (id) {
        id -> Integer,
        name -> Text,
        target -> Text,
        state -> Text,
        head -> Nullable<Text>,
        problem -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        events_before -> Nullable<BigInt>,
        last_event -> Nullable<BigInt>,
        change -> Nullable<BigInt>,
    }
}
