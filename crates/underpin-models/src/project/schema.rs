//! The tables of the `project` set at the head of its migrations.

#![expect(missing_docs, reason = "the row structs say what each column means")]

diesel::table! {
    approvals (id) {
        id -> Integer,
        task_id -> Integer,
        change_request_id -> Nullable<Integer>,
        approver -> Text,
        approved -> Bool,
        comment -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    artifacts (id) {
        id -> Integer,
        project_id -> Integer,
        task_id -> Nullable<Integer>,
        run_id -> Nullable<Integer>,
        artifact_type -> Text,
        name -> Text,
        file_path -> Text,
        storage_path -> Nullable<Text>,
        sha256 -> Nullable<Text>,
        file_size -> Nullable<Integer>,
        extra_data -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    change_requests (id) {
        id -> Integer,
        task_id -> Integer,
        phase -> Text,
        content -> Text,
        status -> Text,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    control_state (id) {
        id -> Integer,
        project_id -> Integer,
        paused -> Bool,
        max_attempts -> Integer,
        timeout_seconds -> Integer,
        current_task_id -> Nullable<Integer>,
        extra_data -> Nullable<Text>,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    events (project_id, number) {
        project_id -> Integer,
        number -> BigInt,
        event_type -> Text,
        task_id -> Nullable<Integer>,
        data -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    projects (id) {
        id -> Integer,
        name -> Text,
        description -> Nullable<Text>,
        db_path -> Text,
        root_path -> Nullable<Text>,
        current_phase -> Nullable<Text>,
        default_engine -> Nullable<Text>,
        spec_artifact_id -> Nullable<Integer>,
        selected_arch_option_id -> Nullable<Integer>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        last_event -> BigInt,
    }
}

diesel::table! {
    project_recovered_values (id) {
        id -> Integer,
        table_name -> Text,
        row_key -> Text,
        column_name -> Text,
        value -> Nullable<Text>,
        reason -> Text,
    }
}

diesel::table! {
    runs (id) {
        id -> Integer,
        task_id -> Integer,
        engine -> Text,
        status -> Text,
        log_path -> Nullable<Text>,
        gate_results -> Nullable<Text>,
        extra_data -> Nullable<Text>,
        start_time -> Timestamp,
        end_time -> Nullable<Timestamp>,
    }
}

diesel::table! {
    task_versions (id) {
        id -> Integer,
        task_id -> Integer,
        version_num -> Integer,
        title -> Text,
        description -> Nullable<Text>,
        gates_json -> Nullable<Text>,
        deps_json -> Nullable<Text>,
        extra_data -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    tasks (id) {
        id -> Integer,
        project_id -> Integer,
        title -> Text,
        description -> Nullable<Text>,
        status -> Text,
        current_phase -> Nullable<Text>,
        version -> Integer,
        active_version_id -> Nullable<Integer>,
        engine_override -> Nullable<Text>,
        extra_data -> Nullable<Text>,
        attempts -> Integer,
        priority -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::joinable!(approvals -> tasks (task_id));
diesel::joinable!(approvals -> change_requests (change_request_id));
diesel::joinable!(artifacts -> projects (project_id));
diesel::joinable!(artifacts -> tasks (task_id));
diesel::joinable!(artifacts -> runs (run_id));
diesel::joinable!(change_requests -> tasks (task_id));
diesel::joinable!(control_state -> projects (project_id));
diesel::joinable!(events -> projects (project_id));
diesel::joinable!(runs -> tasks (task_id));
diesel::joinable!(task_versions -> tasks (task_id));
diesel::joinable!(tasks -> projects (project_id));

diesel::allow_tables_to_appear_in_same_query!(
    approvals,
    artifacts,
    change_requests,
    control_state,
    events,
    projects,
    project_recovered_values,
    runs,
    task_versions,
    tasks,
);
