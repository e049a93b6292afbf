//! The tables as Diesel sees them. Kept in step with `migrations/` by hand; a test compares them with a live
//! database.

diesel::table! {
    users (user_id) {
        user_id -> Uuid,
        email -> Text,
        password_hash -> Text,
        name -> Text,
        role -> Text,
        email_verified -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        last_login_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (session_id) {
        session_id -> Uuid,
        user_id -> Uuid,
        remember -> Bool,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        revoked_because -> Nullable<Text>,
    }
}

diesel::table! {
    refresh_tokens (token_hash) {
        token_hash -> Bytea,
        session_id -> Uuid,
        generation -> Integer,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        rotated_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    one_time_tokens (token_hash) {
        token_hash -> Bytea,
        user_id -> Uuid,
        purpose -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    personal_access_tokens (token_id) {
        token_id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        prefix -> Text,
        secret_hash -> Bytea,
        scopes -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    throttle_counters (throttle_key) {
        throttle_key -> Bytea,
        started_at -> Timestamptz,
        hits -> BigInt,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    external_identities (provider, subject) {
        provider -> Text,
        subject -> Text,
        user_id -> Uuid,
        created_at -> Timestamptz,
        made_account -> Bool,
    }
}

diesel::table! {
    sign_in_codes (code_hash) {
        code_hash -> Bytea,
        client_hash -> Bytea,
        provider -> Text,
        subject -> Text,
        email -> Text,
        name -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    user_settings (user_id, setting_key) {
        user_id -> Uuid,
        setting_key -> Text,
        setting_value -> BigInt,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (owner_id, idempotency_key) {
        owner_id -> Uuid,
        idempotency_key -> Text,
        fingerprint -> Bytea,
        resource_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    file_deletions (deletion_id) {
        deletion_id -> BigInt,
        prefix -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    projects (project_id) {
        project_id -> Uuid,
        owner_id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        icon -> Text,
        color -> Text,
        metadata -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    jobs (job_id) {
        job_id -> Uuid,
        kind -> Text,
        owner_id -> Uuid,
        project_id -> Nullable<Uuid>,
        state -> Text,
        payload -> Json,
        result -> Nullable<Json>,
        error -> Nullable<Json>,
        progress -> Json,
        attempt -> Integer,
        attempts_max -> Integer,
        cancel_requested -> Bool,
        idempotency_key -> Nullable<Text>,
        lease_worker -> Nullable<Text>,
        lease_epoch -> BigInt,
        lease_expires_at -> Nullable<Timestamptz>,
        run_after -> Timestamptz,
        event_seq -> BigInt,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    job_events (job_id, seq) {
        job_id -> Uuid,
        seq -> BigInt,
        at -> Timestamptz,
        event_type -> Text,
        data -> Json,
    }
}

diesel::table! {
    datasets (dataset_id) {
        dataset_id -> Uuid,
        owner_id -> Uuid,
        project_id -> Nullable<Uuid>,
        filename -> Text,
        file_type -> Text,
        size_bytes -> BigInt,
        stored_bytes -> BigInt,
        sql_name -> Text,
        physical_name -> Text,
        version -> Integer,
        row_count -> BigInt,
        profile -> Json,
        sample -> Json,
        ingest -> Json,
        eda -> Nullable<Json>,
        metadata -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    notebooks (notebook_id) {
        notebook_id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        kind -> Text,
        metadata -> Jsonb,
        execution_order -> Integer,
        event_seq -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        order_key -> Nullable<Text>,
    }
}

diesel::table! {
    cells (cell_id) {
        cell_id -> Uuid,
        notebook_id -> Uuid,
        cell_type -> Text,
        title -> Nullable<Text>,
        content -> Text,
        position -> Integer,
        metadata -> Jsonb,
        execution_count -> Integer,
        execution_order -> Nullable<Integer>,
        execution_status -> Text,
        execution_duration_ms -> Nullable<BigInt>,
        executed_at -> Nullable<Timestamptz>,
        is_dirty -> Bool,
        output -> Json,
        output_refs -> Json,
        locked_by -> Nullable<Text>,
        locked_at -> Nullable<Timestamptz>,
        lock_token -> Nullable<Uuid>,
        lock_expires_at -> Nullable<Timestamptz>,
        interrupt_requested -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        edit_key -> Nullable<Text>,
        edit_before -> Nullable<Text>,
        run_key -> Nullable<Text>,
    }
}

diesel::table! {
    cell_outputs (output_id) {
        output_id -> Uuid,
        notebook_id -> Uuid,
        cell_id -> Uuid,
        file_name -> Text,
        mime_type -> Text,
        byte_size -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    savepoints (savepoint_id) {
        savepoint_id -> Uuid,
        notebook_id -> Uuid,
        turn_index -> Integer,
        turn_message_id -> Text,
        cells_snapshot -> Json,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    notebook_events (notebook_id, seq) {
        notebook_id -> Uuid,
        seq -> BigInt,
        payload -> Json,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    execution_sessions (session_id) {
        session_id -> Uuid,
        project_id -> Uuid,
        python_version -> Text,
        is_implicit -> Bool,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
    }
}

diesel::table! {
    models (model_id) {
        model_id -> Uuid,
        project_id -> Uuid,
        dataset_id -> Uuid,
        name -> Text,
        plan -> Json,
        task_type -> Text,
        template_id -> Text,
        library -> Text,
        algorithm -> Text,
        parameters -> Json,
        metrics -> Json,
        status -> Text,
        version -> Integer,
        training_ms -> Nullable<BigInt>,
        feature_columns -> Json,
        sample_count -> Nullable<BigInt>,
        artifacts -> Json,
        storage -> Text,
        error -> Nullable<Text>,
        metadata -> Json,
        feature_types -> Json,
        sample_request -> Json,
        evaluation_status -> Nullable<Text>,
        evaluation_computed_at -> Nullable<Timestamptz>,
        evaluation_error -> Nullable<Text>,
        evaluation_storage -> Nullable<Text>,
        evaluation_job_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        stored_bytes -> BigInt,
    }
}

diesel::table! {
    tuning_studies (study_id) {
        study_id -> Uuid,
        project_id -> Uuid,
        source_model_id -> Uuid,
        job_id -> Uuid,
        status -> Text,
        n_trials -> Integer,
        metric -> Text,
        best_trial_number -> Nullable<Integer>,
        best_value -> Nullable<Double>,
        best_params -> Nullable<Json>,
        result_model_id -> Nullable<Uuid>,
        error_message -> Nullable<Text>,
        created_at -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    tracking_runs (run_id) {
        run_id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        user_name -> Text,
        status -> Text,
        is_deleted -> Bool,
        start_ms -> BigInt,
        end_ms -> Nullable<BigInt>,
        metrics -> Jsonb,
        params -> Jsonb,
        tags -> Jsonb,
        created_at -> Timestamptz,
        links -> Jsonb,
    }
}

diesel::table! {
    tracking_entries (run_id, kind, entry_key) {
        run_id -> Uuid,
        kind -> Text,
        entry_key -> Text,
        project_id -> Uuid,
        start_ms -> BigInt,
        is_deleted -> Bool,
        number -> Nullable<Double>,
        words -> Nullable<Text>,
        is_whole -> Bool,
    }
}

diesel::table! {
    tracking_metrics (run_id, metric_key, point_id) {
        run_id -> Uuid,
        metric_key -> Text,
        point_id -> BigInt,
        point_value -> Double,
        timestamp_ms -> BigInt,
        step -> BigInt,
    }
}

diesel::table! {
    tracking_artifacts (run_id, artifact_path) {
        run_id -> Uuid,
        artifact_path -> Text,
        file_name -> Text,
        size_bytes -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    registered_models (owner_id, name) {
        owner_id -> Uuid,
        name -> Text,
        description -> Text,
        tags -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version_last -> Integer,
    }
}

diesel::table! {
    registered_versions (owner_id, name, version) {
        owner_id -> Uuid,
        name -> Text,
        version -> Integer,
        run_id -> Nullable<Text>,
        source -> Text,
        description -> Text,
        tags -> Jsonb,
        created_at -> Timestamptz,
        stage -> Text,
        updated_at -> Timestamptz,
        logged_model_id -> Nullable<Text>,
    }
}

diesel::table! {
    deployments (deployment_id) {
        deployment_id -> Uuid,
        project_id -> Uuid,
        model_id -> Uuid,
        name -> Text,
        status -> Text,
        runtime -> Text,
        config -> Json,
        error_message -> Nullable<Text>,
        job_id -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        stopped_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    deployment_api_keys (key_id) {
        key_id -> Uuid,
        deployment_id -> Uuid,
        name -> Text,
        key_prefix -> Text,
        key_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    prediction_logs (id) {
        id -> BigInt,
        deployment_id -> Uuid,
        prediction_id -> Uuid,
        created_at -> Timestamptz,
        latency_us -> Nullable<BigInt>,
        input_features -> Json,
        prediction -> Json,
        status -> Text,
        error_message -> Nullable<Text>,
        feedback -> Nullable<Text>,
        feedback_at -> Nullable<Timestamptz>,
        actual -> Nullable<Json>,
        metadata -> Json,
    }
}

diesel::table! {
    deployment_hours (deployment_id, hour, process_id) {
        deployment_id -> Uuid,
        hour -> Timestamptz,
        process_id -> Uuid,
        statistics -> Json,
        sketches -> Json,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    deployment_rates (deployment_id, second) {
        deployment_id -> Uuid,
        second -> BigInt,
        requests -> BigInt,
    }
}

diesel::table! {
    registered_aliases (owner_id, name, alias) {
        owner_id -> Uuid,
        name -> Text,
        alias -> Text,
        version -> Integer,
    }
}

diesel::table! {
    logged_models (logged_model_id) {
        logged_model_id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        model_type -> Nullable<Text>,
        source_run_id -> Nullable<Uuid>,
        status -> Text,
        params -> Jsonb,
        tags -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    logged_model_artifacts (logged_model_id, artifact_path) {
        logged_model_id -> Uuid,
        artifact_path -> Text,
        file_name -> Text,
        size_bytes -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    tracking_usage (project_id) {
        project_id -> Uuid,
        size_bytes -> BigInt,
    }
}

diesel::table! {
    llm_usage (user_id, hour, project_id, model) {
        user_id -> Uuid,
        project_id -> Uuid,
        hour -> Timestamptz,
        model -> Text,
        requests -> BigInt,
        input_tokens -> BigInt,
        cached_tokens -> BigInt,
        output_tokens -> BigInt,
        reasoning_tokens -> BigInt,
        cost_micros -> BigInt,
    }
}

diesel::table! {
    dataset_key_sketches (dataset_id, place) {
        dataset_id -> Uuid,
        place -> SmallInt,
        column_name -> Text,
        distinct_count -> BigInt,
        hashes -> Bytea,
    }
}

diesel::table! {
    dataset_splits (dataset_id, target) {
        dataset_id -> Uuid,
        target -> Text,
        split -> Json,
        declared_at -> Timestamptz,
        declared_by -> Nullable<Uuid>,
        is_learned -> Bool,
    }
}

diesel::table! {
    feature_runs (run_id) {
        run_id -> Uuid,
        project_id -> Uuid,
        scope_notebook_id -> Nullable<Uuid>,
        features -> Json,
        checkpoint_id -> Nullable<Text>,
        checkpoint_label -> Nullable<Text>,
        checkpoint_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        workflow_run_id -> Nullable<Text>,
    }
}

diesel::table! {
    feature_run_calls (project_id, call_key) {
        project_id -> Uuid,
        call_key -> Text,
        run_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    dataset_features (dataset_id) {
        dataset_id -> Uuid,
        source_id -> Uuid,
        source_version -> Integer,
        features -> Json,
        warning -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    plan_chats (chat_id) {
        chat_id -> Uuid,
        project_id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        status -> Text,
        messages -> Json,
        answer_history -> Json,
        current_round -> Integer,
        completed_plan_id -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    nl_placeholder_suggestions (suggestion_set_id) {
        suggestion_set_id -> Uuid,
        project_id -> Uuid,
        schema_fingerprint -> Text,
        model_id -> Text,
        prompt_version -> Integer,
        suggestions -> Json,
        workflow_placeholders -> Nullable<Json>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    golden_questions (golden_question_id) {
        golden_question_id -> Uuid,
        project_id -> Uuid,
        question -> Text,
        expected_sql -> Text,
        verdict -> Nullable<Text>,
        generated_sql -> Nullable<Text>,
        reason -> Nullable<Text>,
        confidence -> Nullable<Double>,
        asked_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    preprocessing_runs (run_id) {
        run_id -> Uuid,
        project_id -> Uuid,
        workflow_run_id -> Nullable<Text>,
        active_dataset_id -> Nullable<Uuid>,
        seen_dataset_id -> Nullable<Uuid>,
        derived_dataset_ids -> Json,
        event_sequence -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        states_since -> BigInt,
    }
}

diesel::table! {
    preprocessing_steps (run_id, step_id) {
        step_id -> Uuid,
        run_id -> Uuid,
        place -> Integer,
        title -> Text,
        rationale -> Nullable<Text>,
        intent_type -> Text,
        status -> Text,
        approval -> Nullable<Text>,
        decision_reason -> Nullable<Text>,
        tool_call_id -> Nullable<Text>,
        linked_from -> Nullable<Uuid>,
        code -> Nullable<Text>,
        code_hash -> Nullable<Text>,
        version -> Integer,
        cell_ids -> Json,
        asks_approval -> Bool,
        requires_approval -> Bool,
        validation -> Nullable<Json>,
        executed -> Bool,
        validated -> Bool,
        input -> Nullable<Json>,
        before_divergence -> Nullable<Text>,
        output -> Nullable<Json>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    preprocessing_checkpoints (run_id, checkpoint_id) {
        checkpoint_id -> Uuid,
        run_id -> Uuid,
        place -> Integer,
        label -> Text,
        dataset_id -> Uuid,
        dataset_version -> Integer,
        step_ids -> Json,
        replay_until -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    preprocessing_events (run_id, sequence) {
        run_id -> Uuid,
        sequence -> BigInt,
        event_id -> Uuid,
        event_type -> Text,
        step_id -> Nullable<Uuid>,
        checkpoint_id -> Nullable<Uuid>,
        dataset_id -> Nullable<Uuid>,
        payload -> Nullable<Json>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    preprocessing_calls (run_id, call_key) {
        run_id -> Uuid,
        call_key -> Text,
        output -> Json,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(nl_placeholder_suggestions -> projects (project_id));
diesel::joinable!(golden_questions -> projects (project_id));
diesel::joinable!(plan_chats -> projects (project_id));
diesel::joinable!(logged_models -> projects (project_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(one_time_tokens -> users (user_id));
diesel::joinable!(personal_access_tokens -> users (user_id));
diesel::joinable!(external_identities -> users (user_id));
diesel::joinable!(job_events -> jobs (job_id));
diesel::joinable!(notebooks -> projects (project_id));
diesel::joinable!(cells -> notebooks (notebook_id));
diesel::joinable!(cell_outputs -> notebooks (notebook_id));
diesel::joinable!(savepoints -> notebooks (notebook_id));
diesel::joinable!(notebook_events -> notebooks (notebook_id));
diesel::joinable!(execution_sessions -> projects (project_id));
diesel::joinable!(models -> projects (project_id));
diesel::joinable!(deployments -> projects (project_id));
diesel::joinable!(deployments -> models (model_id));
diesel::joinable!(deployment_api_keys -> deployments (deployment_id));
diesel::joinable!(prediction_logs -> deployments (deployment_id));
diesel::joinable!(deployment_hours -> deployments (deployment_id));
diesel::table! {
    documents (document_id) {
        document_id -> Uuid,
        owner_id -> Uuid,
        project_id -> Nullable<Uuid>,
        filename -> Text,
        format -> Text,
        media_type -> Text,
        size_bytes -> BigInt,
        stored_bytes -> BigInt,
        text_length -> Integer,
        page_count -> Nullable<Integer>,
        chunk_count -> Integer,
        parse_warning -> Nullable<Text>,
        embedding_model -> Nullable<Text>,
        embedding_dimension -> Nullable<Integer>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    document_chunks (chunk_id) {
        chunk_id -> Uuid,
        document_id -> Uuid,
        chunk_index -> Integer,
        owner_id -> Uuid,
        project_id -> Nullable<Uuid>,
        page -> Nullable<Integer>,
        heading -> Text,
        span_start -> Integer,
        span_end -> Integer,
        content -> Text,
        search -> crate::database::TextSearch,
    }
}

diesel::table! {
    document_vectors (document_id, first_chunk) {
        document_id -> Uuid,
        first_chunk -> Integer,
        vectors -> Bytea,
    }
}

diesel::table! {
    workflow_runs (run_id) {
        run_id -> Text,
        project_id -> Uuid,
        thread_id -> Text,
        phase -> Text,
        status -> Text,
        current_node -> Text,
        revision -> Integer,
        active_dataset_id -> Nullable<Uuid>,
        active_notebook_id -> Nullable<Uuid>,
        pending_input_kind -> Nullable<Text>,
        pause_reason -> Nullable<Text>,
        last_failure_code -> Nullable<Text>,
        last_failure_message -> Nullable<Text>,
        metadata -> Json,
        turn_job_id -> Nullable<Uuid>,
        event_seq -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        recovered_into -> Nullable<Uuid>,
    }
}

diesel::table! {
    workflow_events (run_id, sequence) {
        run_id -> Text,
        sequence -> BigInt,
        event_type -> Text,
        payload -> Json,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    workflow_artifacts (artifact_id) {
        artifact_id -> Uuid,
        run_id -> Text,
        artifact_type -> Text,
        label -> Nullable<Text>,
        payload -> Json,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    workflow_approvals (approval_id) {
        approval_id -> Uuid,
        run_id -> Text,
        approval_type -> Text,
        status -> Text,
        subject_hash -> Text,
        requested_at -> Timestamptz,
        resolved_at -> Nullable<Timestamptz>,
        resolved_by -> Nullable<Uuid>,
        payload -> Json,
    }
}

diesel::table! {
    workflow_states (run_id, sequence) {
        run_id -> Text,
        sequence -> BigInt,
        metadata -> Json,
        active_dataset_id -> Nullable<Uuid>,
        active_notebook_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    preprocessing_states (run_id, workflow_sequence) {
        run_id -> Uuid,
        workflow_sequence -> BigInt,
        state -> Json,
    }
}

diesel::table! {
    preprocessing_step_states (run_id, step_id, workflow_sequence) {
        run_id -> Uuid,
        step_id -> Uuid,
        workflow_sequence -> BigInt,
        state -> Json,
    }
}

diesel::table! {
    feature_states (run_id, feature_id, changed_at) {
        run_id -> Uuid,
        feature_id -> Text,
        changed_at -> Timestamptz,
        place -> Integer,
        state -> Json,
    }
}

diesel::table! {
    cell_deletions (project_id, call_key) {
        project_id -> Uuid,
        call_key -> Text,
        cell_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    vector_work (document_id) {
        document_id -> Uuid,
        model -> Text,
        dimension -> Nullable<Integer>,
        chunks_done -> Integer,
        claim -> Nullable<Uuid>,
        claimed_until -> Nullable<Timestamptz>,
        failures -> Integer,
        retry_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    users,
    sessions,
    refresh_tokens,
    one_time_tokens,
    personal_access_tokens,
    external_identities,
    projects,
    jobs,
    job_events,
    datasets,
    documents,
    document_chunks,
    document_vectors,
    vector_work,
    notebooks,
    cells,
    cell_outputs,
    savepoints,
    notebook_events,
    execution_sessions,
    models,
    tuning_studies,
    tracking_runs,
    tracking_entries,
    tracking_metrics,
    tracking_artifacts,
    registered_models,
    registered_versions,
    plan_chats,
    nl_placeholder_suggestions,
    golden_questions,
    deployments,
    deployment_api_keys,
    prediction_logs,
    deployment_hours,
    deployment_rates,
    registered_aliases,
    logged_models,
    logged_model_artifacts,
    tracking_usage,
    llm_usage,
    dataset_splits,
    dataset_key_sketches,
    preprocessing_runs,
    preprocessing_steps,
    preprocessing_checkpoints,
    preprocessing_events,
    preprocessing_calls,
    feature_runs,
    feature_run_calls,
    dataset_features,
    workflow_runs,
    workflow_events,
    workflow_artifacts,
    workflow_approvals,
    workflow_states,
    cell_deletions,
    preprocessing_states,
    preprocessing_step_states,
    feature_states,
);
diesel::joinable!(dataset_key_sketches -> datasets (dataset_id));
diesel::joinable!(preprocessing_runs -> projects (project_id));
diesel::joinable!(preprocessing_calls -> preprocessing_runs (run_id));
diesel::joinable!(feature_runs -> projects (project_id));
diesel::joinable!(feature_run_calls -> feature_runs (run_id));
diesel::joinable!(dataset_features -> datasets (dataset_id));
