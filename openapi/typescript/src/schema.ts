// Generated from openapi/gristmill.v1.json by `npm run generate`. Do not edit.

export interface paths {
    "/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Greets whoever opens the server's address. */
        get: operations["root"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/oauth-protected-resource/api/mcp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells clients of the Model Context Protocol what opens it (RFC 9728): a bearer token, such as a personal access token. */
        get: operations["find_mcp_metadata"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/account": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes the account with everything that belongs to it: projects, datasets, files, tokens. */
        delete: operations["delete_account"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/forgot-password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks for a link to choose a new password. The answer is the same whether there is such an account or not. */
        post: operations["forgot_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/google": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells where to send the browser for sign-in with Google. */
        get: operations["start_google"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/google/callback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Finishes sign-in with Google: logs in by the code of ours that the browser came back with, for 30 days. The code works
         *     once, for a minute, and from the same browser.
         */
        post: operations["finish_google"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/google/link": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Links the Google account behind a code to the caller's account, so that it logs in by Google too. */
        post: operations["link_google"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/google/return": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Takes a browser back from Google, and sends it on to the frontend with a code of ours, or with an error. For navigation,
         *     not for programs.
         */
        get: operations["return_from_google"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/google/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Sends a browser to Google, with a cookie for its return. For navigation, not for programs. */
        get: operations["redirect_to_google"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/identities": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the accounts at other providers by which the caller logs in, the oldest link first. `POST /api/auth/google/link` adds
         *     one.
         */
        get: operations["list_identities"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/identities/{provider}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Unlinks a provider, so that the caller does not log in by it any more; sessions that it opened go on. Answers 409
         *     (`last_sign_in`) when the account was made by it and has no password that anybody knows.
         */
        delete: operations["unlink_identity"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs in. */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs out: ends the session of the access token, and the one of the refresh token if it is another. */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the caller's account; works for unverified ones too. */
        get: operations["find_me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/profile": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes name, address or password, all or none. A new password ends all sessions of the account. */
        patch: operations["update_profile"];
        trace?: never;
    };
    "/api/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Exchanges a refresh token for the next pair. The same token within 10 seconds gets the same successor; later, it
         *     counts as stolen and its session ends.
         */
        post: operations["refresh"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes an account and logs it in. */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/resend-verification": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends the verification link again, to another address if one is given. */
        post: operations["resend_verification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/reset-password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a new password by one-time link and ends all sessions of the account. */
        post: operations["reset_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/revoke-all-sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends all of the caller's sessions, this one too. */
        post: operations["revoke_all_sessions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the caller's open sessions, newest first. `current` marks the one of the `x-refresh-token` header, or of
         *     the access token.
         */
        get: operations["list_sessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sessions/{tokenId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends one of the caller's sessions. */
        delete: operations["revoke_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's personal access tokens, newest first. */
        get: operations["list_tokens"];
        put?: never;
        /** Makes a personal access token. Its secret is in this answer and nowhere else. */
        post: operations["create_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/tokens/{tokenId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revokes a personal access token. */
        delete: operations["revoke_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/verification-status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether the caller's address is verified; read from the store, never cached. */
        get: operations["find_verification_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/verify-email": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Proves an e-mail address by one-time link. */
        post: operations["verify_email"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cells/{cellId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a cell. */
        get: operations["find_cell"];
        put?: never;
        post?: never;
        /** Deletes a cell. Those behind it move up by one. */
        delete: operations["delete_cell"];
        options?: never;
        head?: never;
        /** Changes a cell's text or heading. Absent fields keep their value, and so do metadata. */
        patch: operations["update_cell"];
        trace?: never;
    };
    "/api/cells/{cellId}/interrupt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Interrupts the run of a cell: it ends with `KeyboardInterrupt`. Does nothing when the cell does not run. */
        post: operations["interrupt_cell_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cells/{cellId}/lock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether somebody holds a cell. */
        get: operations["find_cell_lock"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cells/{cellId}/outputs/{filename}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Gives a file of a cell's outputs. Needs no credential: the name carries the server's signature, so that whoever was
         *     shown the output can show it in a page.
         */
        get: operations["download_cell_output"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cells/{cellId}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Runs a cell and answers when it is done. Code that fails, and a kernel that cannot be had, are results too. The run
         *     goes on when the client goes away.
         */
        post: operations["run_cell"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's datasets, of one project or all, oldest first. */
        get: operations["list_datasets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/migrate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rebuilds the caller's dataset tables. Nothing is ever left to rebuild here: a dataset is stored only when it can
         *     be queried.
         */
        post: operations["migrate_datasets"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Deletes a dataset with its files. Refused while agents work on it, unless the notebook that they work in is gone: those
         *     are interrupted.
         */
        delete: operations["delete_dataset"];
        options?: never;
        head?: never;
        /** Changes a dataset's display name. Its SQL names stay. */
        patch: operations["update_dataset"];
        trace?: never;
    };
    "/api/datasets/{datasetId}/columns/{columnName}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Changes the type of a column. Every value must convert; the old version stays until the new one is complete. */
        put: operations["update_dataset_column"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads the file as it was uploaded. */
        get: operations["download_dataset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}/rejects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Downloads the rejects report: one JSON object a line, with the line of the file, the column, the value and the
         *     reason. Empty when everything fitted.
         */
        get: operations["download_dataset_rejects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}/rows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a page of rows, in file order, in constant time at any offset. */
        get: operations["list_dataset_rows"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}/sample": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the first rows of a dataset. */
        get: operations["find_dataset_sample"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/datasets/{datasetId}/splits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists how the rows of a dataset are divided for each target that was trained for. */
        get: operations["list_dataset_splits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists a project's deployments, newest first. */
        get: operations["list_deployments"];
        put?: never;
        /** Deploys a model, and answers when it serves. With `Prefer: respond-async`, answers 202 with the job to follow. */
        post: operations["create_deployment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{deploymentId}/invocations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Predicts for rows in a form of MLflow's: JSON with `dataframe_split`, `dataframe_records`, `instances` or `inputs`, or CSV
         *     with a line of names. The limit, the log and the credentials are those of `predict`.
         */
        post: operations["invoke"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{deploymentId}/ping": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells MLflow's programs whether a deployment answers. */
        get: operations["ping"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{deploymentId}/predict": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Predicts for one row: an object of features by their names. Columns that feature engineering made are computed where the row
         *     lacks them, from those that they were made from; the deployment's schema tells which. With a key of the deployment in
         *     `x-api-key`, or signed in as its owner. At most as many requests a minute as the deployment is set to: `RateLimit-*` and
         *     `Retry-After` tell.
         */
        post: operations["predict_row"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{deploymentId}/predict/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Predicts for a list of rows; as for one. */
        post: operations["predict_rows"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a deployment. */
        get: operations["find_deployment"];
        put?: never;
        post?: never;
        /** Deletes a deployment with its keys, logs and statistics. What runs of it ends. */
        delete: operations["delete_deployment"];
        options?: never;
        head?: never;
        /** Starts or stops a deployment, or changes what can be set. A start answers when it serves. */
        patch: operations["update_deployment"];
        trace?: never;
    };
    "/api/deployments/{id}/actuals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores what really happened, by the ids that answers gave. Live accuracy comes from it. */
        post: operations["tell_actuals"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/api-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the keys of a deployment, newest first, revoked ones included. */
        get: operations["list_api_keys"];
        put?: never;
        /** Makes a key for a deployment. The answer is the only place that ever shows it. */
        post: operations["create_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/api-keys/{keyId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revokes a key: within a second no server takes it any more. */
        delete: operations["delete_api_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/container-logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the last lines that the worker of a deployment wrote. One that the server runs itself writes none. */
        get: operations["find_container_logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/drift": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Compares what was asked in the last seven days with what the model was trained on. */
        post: operations["find_drift"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists logged requests, newest first. They are there about a second after their answer. */
        get: operations["list_prediction_logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/logs/{logId}/feedback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores what somebody thinks of a logged prediction. */
        post: operations["give_feedback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/pdp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells how predictions depend on a feature: the mean prediction over recent requests for each of its values. */
        post: operations["find_partial_dependence"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/schema": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells what a deployment takes and gives. Where columns of its model were made by feature engineering, `engineered` tells which
         *     of them are computed, from what, and which must be sent.
         */
        get: operations["find_deployment_schema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deployments/{id}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells how many requests there were hour by hour, how fast they were answered, and how right the answers are as far as
         *     outcomes are known.
         */
        get: operations["find_deployment_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page that shows the OpenAPI document. Self-contained: it loads nothing from elsewhere. */
        get: operations["docs_page"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/docs/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Finds pieces of the caller's documents, best first: by words, and by meaning too where documents have vectors. */
        get: operations["search_documents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/documents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's documents, of one project or all, newest first. */
        get: operations["list_documents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/documents/{documentId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a document with its pieces and its file. */
        delete: operations["delete_document"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/documents/{documentId}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads the file as it was uploaded. */
        get: operations["download_document"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs code in a session and answers when it is done. Code that fails, and a kernel that cannot be had, are results. */
        post: operations["execute_code"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether code can be run, and what keeps it apart from the host. */
        get: operations["check_execute_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/packages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Installs packages into the project of a session. What fails is told by `success`. */
        post: operations["install_packages"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/packages/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Installs packages into the project of a session and tells how it goes. It goes on when the client goes away. */
        post: operations["stream_package_install"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/packages/suggest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Suggests packages for what was typed. */
        get: operations["suggest_packages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/packages/{sessionId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the packages that a session can import. None for a session that is not there. */
        get: operations["list_packages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/runtimes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the Python versions that kernels can run on. */
        get: operations["list_runtimes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a session and starts its kernel. */
        post: operations["create_execution_session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute/session/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a session. */
        get: operations["find_execution_session"];
        put?: never;
        post?: never;
        /** Ends a session and removes its workspace. A session that is not there is ended already. */
        delete: operations["delete_execution_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{modelId}/error-analysis": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads where a model is wrong: a tree over the features, and the rows that it was most sure about. */
        get: operations["find_error_analysis"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{modelId}/evaluation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a model's evaluation: metrics, curves, importances, cross-validation. 202 while it is not there. */
        get: operations["find_evaluation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{modelId}/evaluation/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Evaluates a model again and answers when that has ended, also when it failed. */
        post: operations["retry_evaluation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{modelId}/shap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the SHAP values of up to 200 held out rows. 204 when there are none. */
        get: operations["find_shap"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{projectId}/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Compares two to five models of a project, on the same held out rows where they have such. */
        post: operations["compare_models"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{projectId}/insights": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes a text about a project's models, from what was measured. */
        post: operations["stream_insight"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{projectId}/nl-filter": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Turns a filter in plain words into conditions. What is not understood gives none. */
        post: operations["filter_models"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/experiments/{projectId}/tune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Searches for better parameters of a model, and trains one with them. Answers a stream of trials; leaving it stops the
         *     study. With `Prefer: respond-async`, answers 202 with the job to follow; with `Accept: text/event-stream`, leaving does
         *     not stop it.
         */
        post: operations["tune_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/feature-engineering/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a dataset that has features behind the columns of another: by methods of the catalog, or by code, which runs in a
         *     sandbox. With `Prefer: respond-async`, answers 202 with the job to follow.
         */
        post: operations["apply_features"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/feature-engineering/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the runs of agents that made features in a project, the last changed first. */
        get: operations["list_feature_runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/feature-engineering/runs/{runId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a run of an agent that makes features. */
        get: operations["find_feature_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether the server and what it needs are in order. */
        get: operations["check_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's jobs, newest first; all, unless `limit` is sent. */
        get: operations["list_jobs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a job. */
        get: operations["find_job"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a job to stop. A queued one stops at once, a running one at its next safe point; an ended one stays as it is. */
        post: operations["cancel_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Replays a job's log and follows it until the job ends: NDJSON, or server-sent events with `Accept:
         *     text/event-stream`. Leaving does not stop the job.
         */
        get: operations["stream_job_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/llm/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the language models that can be chosen, also when none is configured. */
        get: operations["list_llm_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/llm/tools": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tools that agents have in every phase, as language models are told of them. */
        get: operations["list_llm_tools"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mcp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows what a server says by itself. This one keeps no sessions: 405. */
        get: operations["follow_mcp"];
        put?: never;
        /**
         * Answers a message of the Model Context Protocol over Streamable HTTP, without sessions: revisions 2025-06-18, 2025-11-25 and
         *     2026-07-28. A notification is answered 202. Errors are JSON-RPC's.
         */
        post: operations["call_mcp"];
        /** Ends a session. This server keeps none: 405. */
        delete: operations["end_mcp"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow-artifacts/artifacts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists a directory of stored files, as MLflow's artifact service does. */
        get: operations["list_artifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads a file of a run, or of a training. */
        get: operations["download_run_artifact"];
        /** Uploads a file to a run; it takes the place of one of the same path. */
        put: operations["upload_run_artifact"];
        post?: never;
        /** Deletes a file of a run or a logged model, or a directory of files. */
        delete: operations["delete_run_artifact"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/artifacts/list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the files of a run in a directory. */
        get: operations["list_run_artifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes an experiment: a project. */
        post: operations["create_experiment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Marks an experiment as deleted. The project stays, with its datasets and models. */
        post: operations["delete_experiment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/delete-experiment-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes a tag of an experiment. */
        post: operations["delete_experiment_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads an experiment. */
        get: operations["find_experiment"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/get-by-name": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Finds an experiment by its name: the oldest project of that name. */
        get: operations["find_experiment_by_name"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes the mark away again. */
        post: operations["restore_experiment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the caller's experiments. */
        post: operations["search_experiments"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/set-experiment-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a tag of an experiment. */
        post: operations["set_experiment_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/experiments/update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renames an experiment. */
        post: operations["rename_experiment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a logged model; its files follow. */
        post: operations["create_logged_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Finds logged models by MLflow's filters over what they have, their parameters and tags. */
        post: operations["search_logged_models"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/{model_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a logged model. */
        get: operations["find_logged_model"];
        put?: never;
        post?: never;
        /** Deletes a logged model with its files. */
        delete: operations["delete_logged_model"];
        options?: never;
        head?: never;
        /** Says that a logged model is complete, or that its files could not be uploaded. */
        patch: operations["finalize_logged_model"];
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/{model_id}/artifacts/directories": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the files of a logged model in a directory. */
        get: operations["list_logged_model_artifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/{model_id}/params": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Adds parameters to a logged model. One that is there cannot change. */
        post: operations["log_logged_model_params"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/{model_id}/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Sets tags of a logged model. */
        patch: operations["set_logged_model_tags"];
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/logged-models/{model_id}/tags/{tag_key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a tag of a logged model. */
        delete: operations["delete_logged_model_tag"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/metrics/get-history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads every value of a metric. */
        get: operations["list_metric_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes the next version of a name. */
        post: operations["create_model_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a version. Its number is not used again. */
        delete: operations["delete_model_version"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/delete-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a tag of a version. */
        delete: operations["delete_model_version_tag"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a version. */
        get: operations["find_model_version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/get-download-uri": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells where a version's files are. */
        get: operations["find_model_version_download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists versions, newest first. */
        get: operations["search_model_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/set-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a tag of a version. */
        post: operations["set_model_version_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/transition-stage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Moves a version to a stage. */
        post: operations["transition_model_version_stage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/model-versions/update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes what a version is described as. */
        patch: operations["update_model_version"];
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/alias": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Finds a version by its other name. */
        get: operations["find_model_version_by_alias"];
        put?: never;
        /** Gives a version another name. */
        post: operations["set_registered_model_alias"];
        /** Takes another name away. */
        delete: operations["delete_registered_model_alias"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a name. */
        post: operations["create_registered_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a name with its versions. */
        delete: operations["delete_registered_model"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/delete-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a tag of a name. */
        delete: operations["delete_registered_model_tag"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a name with its latest versions. */
        get: operations["find_registered_model"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/get-latest-versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the latest version of each stage. */
        post: operations["list_latest_versions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/rename": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes a name, with all of its versions. */
        post: operations["rename_registered_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists names. */
        get: operations["search_registered_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/set-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a tag of a name. */
        post: operations["set_registered_model_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/registered-models/update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes what a name is described as. */
        patch: operations["update_registered_model"];
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins a run. */
        post: operations["create_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Marks a run as deleted. */
        post: operations["delete_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/delete-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes a tag. */
        post: operations["delete_run_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a run, or a training of the project as a run. */
        get: operations["find_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/log-batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs metrics, parameters and tags at once: all of them or none. */
        post: operations["log_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/log-inputs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Notes the datasets and models that a run used. */
        post: operations["log_inputs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/log-metric": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs a value of a metric. */
        post: operations["log_metric"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/log-model": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Notes a model directory among a run's files, as programs before MLflow 3 do. */
        post: operations["log_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/log-parameter": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs a parameter. It cannot change afterwards. */
        post: operations["log_parameter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/outputs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Notes the models that a run made. */
        post: operations["log_outputs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes the mark away again. */
        post: operations["restore_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Finds runs, and trainings of the projects among them, by MLflow's filters. */
        post: operations["search_runs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/set-tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a tag. */
        post: operations["set_run_tag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mlflow/api/2.0/mlflow/runs/update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes a run's status, end or name. */
        post: operations["update_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's models, of one project or all, newest first. */
        get: operations["list_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/seed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Made-up models are for development only: refused. */
        post: operations["seed_models"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/seed-one": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Made-up models are for development only: refused. */
        post: operations["seed_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what can be trained. */
        get: operations["list_templates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/train": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Trains a model and answers when it is scored; its evaluation follows in the background. A training that fails because
         *     of its data is a model with an error. With `Prefer: respond-async`, answers 202 with the job to follow.
         */
        post: operations["train_model"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a model. */
        get: operations["find_model"];
        put?: never;
        post?: never;
        /** Deletes a model with its files. */
        delete: operations["delete_model"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/models/{id}/artifact": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads a file of a model: the pipeline, its ONNX form, an MLflow directory, or what is known about it. */
        get: operations["download_model_artifact"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes a notebook. Absent fields keep their value; metadata keys are laid over the stored ones. */
        patch: operations["update_notebook"];
        trace?: never;
    };
    "/api/notebooks/{notebookId}/cells": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the cells of a notebook by position. */
        get: operations["list_cells"];
        put?: never;
        /** Makes a cell. Those from its place on move down by one. */
        post: operations["create_cell"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/cells/suggest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has the language model write a new cell for a finding. 503 without one. Leaving stops the writing; the cell stays. */
        post: operations["suggest_cell"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Gives a notebook as a Jupyter notebook file (nbformat 4.5). */
        get: operations["export_notebook"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/recover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Fills an empty notebook with the cells that the newest completed run of the phase left in a notebook that is gone. */
        post: operations["recover_notebook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/recovery-candidate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what an empty notebook could be filled with: the newest completed run of the phase whose notebook is gone. */
        get: operations["find_recovery_candidate"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/reorder": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Puts cells into a new order. */
        post: operations["reorder_cells"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/savepoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the savepoints of a notebook by turn. */
        get: operations["list_savepoints"];
        put?: never;
        /** Stores the state of a notebook, outputs and metadata included. A notebook keeps 50; the one of the lowest turn goes. */
        post: operations["create_savepoint"];
        /** Deletes the savepoints of later turns. */
        delete: operations["delete_savepoints"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/savepoints/{savepointId}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what changed since a savepoint. */
        get: operations["diff_savepoint"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/notebooks/{notebookId}/savepoints/{savepointId}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Brings a notebook back to a savepoint, outputs and metadata included. Refused while a cell runs. */
        post: operations["restore_savepoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The OpenAPI document of this server. */
        get: operations["openapi_document"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/preprocessing/check-compatibility": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Tells whether the steps up to a checkpoint could be done again on another dataset: which columns are missing, and which
         *     have another type.
         */
        post: operations["check_preprocessing_compatibility"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/preprocessing/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the preprocessing runs of a project, the last changed first. */
        get: operations["list_preprocessing_runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/preprocessing/runs/{runId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a preprocessing run with its steps, checkpoints and log. */
        get: operations["find_preprocessing_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/preprocessing/step-decision": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Says yes or no to a step that waits for it. Yes keeps what was measured, and nothing else: a step whose code, dataset or
         *     output changed since is not applied. That is told in the answer, with status 200. Sent twice, it is one decision. Without
         *     `codeHash` it is about the step as it is when the decision arrives. The agent's run records who decided, and when.
         */
        post: operations["decide_preprocessing_step"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/preprocessing/tables": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the datasets of a project, or all of the caller's, as tables that can be preprocessed, oldest first. */
        get: operations["list_preprocessing_tables"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's projects, oldest first. */
        get: operations["list_projects"];
        put?: never;
        /** Makes a project. With an `Idempotency-Key`, a repetition finds the project that the first call made. */
        post: operations["create_project"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Clears all projects. Only a test runtime of the reference system did; here it is always refused. */
        delete: operations["reset_projects"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a project. */
        get: operations["find_project"];
        put?: never;
        post?: never;
        /** Deletes a project with everything in it, files included. */
        delete: operations["delete_project"];
        options?: never;
        head?: never;
        /** Changes a project. Absent fields keep their value; metadata keys are laid over the stored ones. */
        patch: operations["update_project"];
        trace?: never;
    };
    "/api/projects/{projectId}/golden-questions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the golden questions of a project, oldest first, each with what came of asking it last. */
        get: operations["list_golden_questions"];
        put?: never;
        /** Makes a golden question. Its statement must be one that can be run over the project's tables as they are now. */
        post: operations["create_golden_question"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/golden-questions/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Asks all golden questions of a project with the current model and prompts, and tells how many answers give the rows of
         *     their expected statement. With `Prefer: respond-async`, answers 202 with the job to follow. A project has one run at a time:
         *     while one waits or runs, which `GET /api/jobs` shows, another is answered 409 (`conflict`).
         */
        post: operations["run_golden_questions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/golden-questions/{goldenQuestionId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a golden question. */
        delete: operations["delete_golden_question"];
        options?: never;
        head?: never;
        /** Changes a golden question. What came of asking it before is forgotten. */
        patch: operations["update_golden_question"];
        trace?: never;
    };
    "/api/projects/{projectId}/kernel/restart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restarts the kernel of a project's notebooks, or starts it. Files stay, variables do not. */
        post: operations["restart_kernel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/notebooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the notebooks of a project, oldest first. */
        get: operations["list_notebooks"];
        put?: never;
        /** Makes a notebook. */
        post: operations["create_notebook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/notebooks/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Reads a Jupyter notebook file into a new notebook. */
        post: operations["import_notebook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/notebooks/{notebookId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a notebook with its cells, savepoints and files. A project keeps its last phase notebook. */
        delete: operations["delete_notebook"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/plan-chats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the plan chats of a project, the last changed first. */
        get: operations["list_plan_chats"];
        put?: never;
        /** Makes a plan chat. */
        post: operations["create_plan_chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/plan-chats/{chatId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a plan chat. */
        get: operations["find_plan_chat"];
        put?: never;
        post?: never;
        /** Deletes a plan chat. */
        delete: operations["delete_plan_chat"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/plan-chats/{chatId}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a plan chat with the plan that it led to. */
        post: operations["complete_plan_chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{projectId}/plan-chats/{chatId}/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Changes a plan chat. Given fields are replaced whole. */
        put: operations["update_plan_chat"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/python/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What could be written at a place, at most 50. */
        post: operations["list_completions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/python/diagnostics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The syntax errors of the current cell, with lines relative to it. */
        post: operations["list_diagnostics"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/python/hover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What the name at a place means. */
        post: operations["find_hover"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/python/signatures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** How the function that is called at a place is called. */
        post: operations["list_signatures"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/query/cache/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the settings of SQL queries that hold for everybody who did not change them. */
        get: operations["find_cache_config"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/query/nl": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a question in plain words over the datasets of a project: the statement, its rows, and how far to trust them. */
        post: operations["ask_nl"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/query/nl/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Answers a question in plain words, and tells of each step. Leaving the stream cancels the question. With
         *     `Prefer: respond-async`, answers 202 with the job to follow; with `Accept: text/event-stream`, leaving does not cancel.
         *     These two read the job's log, which keeps the first rows of a large result: `rowsLeftOut` in `nl.query` tells how many it
         *     does not have, and `POST /query/sql` with `nl.sql` has all.
         */
        post: operations["stream_nl"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/query/nl/suggestions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Suggests questions that are worth asking of a project's tables, and texts for the composers of the other phases. Made
         *     once for each state of the tables: by the language model, or by rules when there is none.
         */
        get: operations["list_nl_suggestions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/query/sql": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Runs one read-only statement over the datasets of a project. PostgreSQL's spelling; `truncated` tells whether
         *     there were more rows than may be returned.
         */
        post: operations["run_sql"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/realtime/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a session in which a browser transcribes speech at the provider. 503 without an OpenAI key. */
        post: operations["create_realtime_session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the settings in force for the caller. */
        get: operations["find_settings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes settings: all that were sent, or none. */
        patch: operations["update_settings"];
        trace?: never;
    };
    "/api/upload/dataset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Uploads a file and reads it into a dataset. Answers when it can be queried; with `Prefer: respond-async`, answers
         *     202 with the job to follow.
         */
        post: operations["upload_dataset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/upload/doc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Uploads a document and reads it into pieces that search can cite. What cannot be read is kept all the same, and
         *     `parseWarning` says why. With `Prefer: respond-async`, answers 202 with the job to follow.
         */
        post: operations["upload_document"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/workflows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the runs of a project, the last changed first. */
        get: operations["list_workflows"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/workflows/turns/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Works on a turn of an agent's workflow, and tells of each step. Leaving the stream stops the turn; with
         *     `Prefer: respond-async`, answers 202 with the job to follow, and with `Accept: text/event-stream` leaving does not stop it.
         *     With an `Idempotency-Key`, a repetition follows the turn that the first call began.
         */
        post: operations["stream_workflow_turn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/workflows/{runId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a run with its events, artifacts and approvals. */
        get: operations["find_workflow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/workflows/{runId}/fork": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a new run that has gone as far as an event of another; the next turn goes on from there.
         * @description It has the dataset, experiments and open questions of that moment, and steps and features of its own. The notebook is not
         *     copied: both runs work in the one that is active, with its cells as they are now, whatever either has done in them since the
         *     event. To keep them apart, send another `notebookId` with the fork's next turn; cells of steps that were proposed before stay
         *     where they are.
         */
        post: operations["fork_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/workflows/{runId}/interrupt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Interrupts a run that runs or waits: its model and its code are stopped. A run that has ended stays as it is. */
        post: operations["interrupt_workflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells which inference server this is, and what it can do beyond the protocol. */
        get: operations["find_inference_server"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells that the server runs. */
        get: operations["check_inference_live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether the server can answer. Which deployments do is asked for each. */
        get: operations["check_inference_ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells what a deployment takes and gives, as tensors: one input for each column. Where columns of the model are computed from
         *     those of the dataset that was engineered, `parameters` has the `raw_inputs` that may be sent in their place, the
         *     `computed_inputs` that may be left out then, and what `must_be_sent` all the same.
         */
        get: operations["find_inference_model"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}/infer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Predicts for rows as tensors, of shape `[n]` or `[n, 1]`, named as the columns; as JSON or, with
         *     `Inference-Header-Content-Length`, as bytes behind it. Missing values are NaN, or `null` in JSON. The limit, the log and
         *     the credentials are those of `predict`; the request's `id` makes it repeatable.
         */
        post: operations["infer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether a deployment answers. */
        get: operations["check_inference_model"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}/versions/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** As the metadata of a deployment, when it serves this version of the model. */
        get: operations["find_inference_version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}/versions/{version}/infer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** As for a deployment, when it serves this version of the model. */
        post: operations["infer_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{deploymentId}/versions/{version}/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether a deployment answers with this version of the model. */
        get: operations["check_inference_version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The wish to delete the account. */
        AccountDelete: {
            /** @description The account's password. */
            password: string;
        };
        /** @description A run of an agent that works on a dataset. */
        ActiveWorkflow: {
            /** @description The run. */
            runId: string;
            /** @description What it works at. */
            phase: string;
            /** @description `running` or `paused`. */
            status: string;
            /** @description What it waits for. */
            pendingInputKind?: string | null;
            activeNotebookId?: components["schemas"]["NotebookId"] | null;
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description What really happened where something was predicted. */
        ActualCreate: {
            /** @description What the answer called the prediction. */
            predictionId: components["schemas"]["PredictionId"];
            /** @description The label or number. */
            actual: Record<string, never>;
        };
        /** @description What really happened. */
        ActualsCreate: {
            /** @description One for each prediction. */
            actuals: components["schemas"]["ActualCreate"][];
        };
        /** @description What became of the told outcomes. */
        ActualsView: {
            /** @description How many were stored. */
            stored: number;
            /** @description Predictions that there is no log of. */
            unknown: components["schemas"]["PredictionId"][];
        };
        /** @description Makes a key. */
        ApiKeyCreate: {
            /** @description What people call it. */
            name: string;
            /**
             * Format: date-time
             * @description When it ends by itself.
             */
            expiresAt?: string | null;
        };
        /**
         * Format: uuid
         * @description A key of a deployment.
         */
        ApiKeyId: string;
        /** @description `{keys}`. */
        ApiKeyList: {
            /** @description Newest first, revoked ones included. */
            keys: components["schemas"]["ApiKeyView"][];
        };
        /** @description A key, without its secret. */
        ApiKeyView: {
            /** @description Identity. */
            keyId: components["schemas"]["ApiKeyId"];
            /** @description The only deployment that it opens. */
            deploymentId: components["schemas"]["DeploymentId"];
            /** @description What people call it. */
            name: string;
            /** @description Its beginning. */
            keyPrefix: string;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            expiresAt?: components["schemas"]["Instant"] | null;
            lastUsedAt?: components["schemas"]["Instant"] | null;
            revokedAt?: components["schemas"]["Instant"] | null;
        };
        /**
         * @description What a person said to a step.
         * @enum {string}
         */
        ApprovalDecision: "Pending" | "Approved" | "Rejected";
        /** @description A file of a model. */
        ArtifactView: {
            /** @description Its name. */
            filename: string;
            /**
             * Format: int64
             * @description Bytes.
             */
            size: number;
            /** @description SHA-256, hexadecimal. */
            sha256: string;
        };
        /** @description A user with a fresh pair of tokens. */
        AuthView: {
            /** @description The user. */
            user: components["schemas"]["UserView"];
            /** @description JWT to send as `Authorization: Bearer`. */
            accessToken: string;
            /** @description Single-use token for the next pair. */
            refreshToken: string;
        };
        /** @description One bucket: `start <= value < end`, and the last one includes its end. */
        Bucket: {
            /**
             * Format: double
             * @description Lower edge.
             */
            start: number;
            /**
             * Format: double
             * @description Upper edge.
             */
            end: number;
            /**
             * Format: int64
             * @description Values inside.
             */
            count: number;
        };
        /** @description Statistics of a categorical column. */
        CategoricalSummary: {
            /** @description The column. */
            column: string;
            /**
             * Format: int64
             * @description Distinct values.
             */
            uniqueCount: number;
            /** @description The most frequent values, at most ten; percentages unrounded. */
            topValues: components["schemas"]["TopValue"][];
            /**
             * Format: int64
             * @description Rows without a value.
             */
            missingCount: number;
            /** @description The most frequent value. */
            mode?: string | null;
        };
        /**
         * @description How a cell changed.
         * @enum {string}
         */
        CellChange: "added" | "modified" | "deleted";
        /** @description A cell to be made. */
        CellCreate: {
            /** @description Its text; may be empty. */
            content: string;
            /** @description A heading, at most 500 characters. */
            title?: string | null;
            cellType?: components["schemas"]["CellType"] | null;
            /**
             * Format: int32
             * @description Where; at the end when absent or beyond it.
             */
            position?: number | null;
            projectId?: components["schemas"]["ProjectId"] | null;
        };
        /** @description A changed cell. */
        CellDiffView: {
            /** @description Which. */
            cellId: components["schemas"]["CellId"];
            /** @description Its heading. */
            title?: string | null;
            /** @description How it changed. */
            changeType: components["schemas"]["CellChange"];
            /** @description By how many lines it grew. */
            linesAdded: number;
            /** @description By how many lines it shrank. */
            linesRemoved: number;
        };
        /**
         * Format: uuid
         * @description A cell of a notebook.
         */
        CellId: string;
        /** @description Whether a cell is held. */
        CellLockView: {
            /** @description Whether it is. */
            locked: boolean;
            by?: components["schemas"]["LockOwner"] | null;
            at?: components["schemas"]["Instant"] | null;
        };
        /** @description Changes to a cell: absent fields keep their value. */
        CellPatch: {
            /** @description Its text; may be empty. */
            content?: string | null;
            /** @description A heading, at most 500 characters; null takes it away. */
            title?: string | null;
            projectId?: components["schemas"]["ProjectId"] | null;
        };
        /** @description A new order of cells. */
        CellReorder: {
            /** @description The cells in their new order. Those that are not named come after them as they were. */
            cellIds: components["schemas"]["CellId"][];
            projectId?: components["schemas"]["ProjectId"] | null;
        };
        /** @description Which project's kernel. */
        CellRun: {
            /** @description The notebook's project. */
            projectId: components["schemas"]["ProjectId"];
        };
        /** @description What a run of a cell gave. */
        CellRunView: components["schemas"]["ExecutionResult"] & {
            /** @description Datasets that the cell saved to the project. */
            exportedDatasets?: components["schemas"]["ExportedDatasetView"][];
        };
        /**
         * @description How a cell's last run stands.
         * @enum {string}
         */
        CellStatus: "idle" | "running" | "success" | "error";
        /** @description What code is to be suggested for. */
        CellSuggest: {
            /** @description What was found in the data. */
            insightContext: components["schemas"]["InsightContext"];
        };
        /** @description A cell in a list. */
        CellSummary: {
            /** @description Identity. */
            cellId: components["schemas"]["CellId"];
            /** @description Whether it runs. */
            cellType: components["schemas"]["CellType"];
            /** @description A heading. */
            title?: string | null;
            /**
             * Format: int32
             * @description Its place.
             */
            position: number;
            /** @description How its last run stands. */
            executionStatus: components["schemas"]["CellStatus"];
            /**
             * Format: int32
             * @description How often it ran.
             */
            executionCount: number;
            /**
             * Format: int32
             * @description The place of its last run among all runs of the notebook.
             */
            executionOrder?: number | null;
            /** @description Whether it was edited since its last run began. */
            isDirty: boolean;
            lockedBy?: components["schemas"]["LockOwner"] | null;
            /** @description The first 100 characters. */
            contentPreview: string;
        };
        /**
         * @description Whether a cell runs.
         * @enum {string}
         */
        CellType: "code" | "markdown";
        /** @description A cell. */
        CellView: {
            /** @description Identity. */
            cellId: components["schemas"]["CellId"];
            /** @description The notebook that it is in. */
            notebookId: components["schemas"]["NotebookId"];
            /** @description Whether it runs. */
            cellType: components["schemas"]["CellType"];
            /** @description A heading. */
            title?: string | null;
            /** @description Its text. */
            content: string;
            /**
             * Format: int32
             * @description Its place, from 0 without gaps.
             */
            position: number;
            /** @description Whatever clients keep with it. */
            metadata: Record<string, never>;
            /**
             * Format: int32
             * @description How often it ran.
             */
            executionCount: number;
            /**
             * Format: int32
             * @description The place of its last run among all runs of the notebook.
             */
            executionOrder?: number | null;
            /** @description How its last run stands. */
            executionStatus: components["schemas"]["CellStatus"];
            /**
             * Format: int64
             * @description How long its last run took.
             */
            executionDurationMs?: number | null;
            executedAt?: components["schemas"]["Instant"] | null;
            /** @description Whether it was edited since its last run began. */
            isDirty: boolean;
            /** @description What its last run left. */
            output: components["schemas"]["RichOutput"][];
            /** @description Files that outputs refer to. */
            outputRefs: components["schemas"]["OutputRef"][];
            lockedBy?: components["schemas"]["LockOwner"] | null;
            lockedAt?: components["schemas"]["Instant"] | null;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description A state of a dataset that a preprocessing run can go back to. */
        CheckpointId: string;
        /**
         * Format: uuid
         * @description A piece of a document.
         */
        ChunkId: string;
        /** @description Values of one column that did not fit its type, and what became of them. */
        Coercion: {
            /** @description The column. */
            column: string;
            /** @description The type it got. */
            dtype: components["schemas"]["ColumnType"];
            /**
             * Format: int64
             * @description How many values were affected.
             */
            count: number;
            /** @description What was done, for a person: "became missing", "kept as text: the decimal separator is ambiguous", … */
            reason: string;
        };
        /** @description What is known about one column, from every row. */
        ColumnProfile: {
            /** @description The column's name, as in the file. */
            name: string;
            /** @description Its type. */
            dtype: components["schemas"]["ColumnType"];
            /**
             * Format: int64
             * @description Rows without a value.
             */
            nullCount: number;
            /**
             * Format: int64
             * @description Rows with a value.
             */
            sampleCount: number;
            /**
             * Format: int64
             * @description Distinct values.
             */
            uniqueCount: number;
            /** @description The most frequent values, most frequent first, at most five. */
            topValues: components["schemas"]["TopValue"][];
            /**
             * Format: double
             * @description Numbers only: smallest value.
             */
            min?: number | null;
            /**
             * Format: double
             * @description Numbers only: largest value.
             */
            max?: number | null;
            /**
             * Format: double
             * @description Numbers only: arithmetic mean, four decimals.
             */
            mean?: number | null;
            /**
             * Format: double
             * @description Numbers only: median, four decimals.
             */
            median?: number | null;
            /**
             * Format: double
             * @description Numbers only: sample standard deviation (n − 1), four decimals.
             */
            stdDev?: number | null;
            /**
             * Format: double
             * @description Numbers only: mean of the cubed standard scores, four decimals.
             */
            skewness?: number | null;
            /**
             * Format: double
             * @description Numbers only: lower quartile by linear interpolation, four decimals.
             */
            q1?: number | null;
            /**
             * Format: double
             * @description Numbers only: upper quartile by linear interpolation, four decimals.
             */
            q3?: number | null;
            /**
             * Format: date-time
             * @description Dates only: earliest.
             */
            minDate?: string | null;
            /**
             * Format: date-time
             * @description Dates only: latest.
             */
            maxDate?: string | null;
        };
        /** @description Completeness and variety of a column. */
        ColumnQuality: {
            /** @description The column. */
            column: string;
            /** @description What it was treated as. */
            dataType: components["schemas"]["EdaKind"];
            /**
             * Format: int64
             * @description Rows.
             */
            totalCount: number;
            /**
             * Format: int64
             * @description Rows without a value.
             */
            missingCount: number;
            /**
             * Format: double
             * @description 0..100.
             */
            missingPercentage: number;
            /**
             * Format: int64
             * @description Distinct values.
             */
            uniqueCount: number;
            /**
             * Format: double
             * @description 0..100, of all rows.
             */
            uniquePercentage: number;
        };
        /**
         * @description What a column is taken for.
         * @enum {string}
         */
        ColumnRole: "numeric" | "categorical" | "date" | "drop";
        /**
         * @description The type of a dataset's column.
         * @enum {string}
         */
        ColumnType: "string" | "integer" | "float" | "boolean" | "date" | "unknown";
        /** @description A new column type. */
        ColumnTypePatch: {
            /** @description The type to convert to. */
            dtype: components["schemas"]["ColumnType"];
        };
        /** @description A compared model. */
        ComparedModelView: {
            /** @description Identity. */
            modelId: components["schemas"]["ModelId"];
            /** @description Display name. */
            name: string;
            /** @description Its scores on its own held out rows. */
            metrics: {
                [key: string]: number;
            };
        };
        /** @description Models to be compared. */
        ComparisonCreate: {
            /** @description Two to five models of the project. */
            modelIds: components["schemas"]["ModelId"][];
        };
        /** @description A comparison. */
        ComparisonView: {
            /** @description The models, in the order that was asked for. */
            models: components["schemas"]["ComparedModelView"][];
            /** @description Every metric that one of them has. */
            deltas: components["schemas"]["MetricDeltaView"][];
            /**
             * @description Differences on the rows that all were tested on, with their intervals by paired bootstrap: `{rows, resamples,
             *     confidence, models, pairs}`, or `{available: false, reason}`.
             */
            bootstrap: Record<string, never>;
        };
        /** @description Whether the steps up to a checkpoint fit another dataset. */
        CompatibilityCheck: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The preprocessing run. */
            runId: string;
            /** @description The checkpoint. */
            checkpointId: string;
            /** @description The dataset: an id or a file name. */
            replayDatasetId: string;
        };
        /** @description Whether they fit: `output.compatibilityIssues` lists what does not. */
        CompatibilityView: {
            /** @description What the tool gave. */
            output: Record<string, never>;
            /** @description Why they do not fit, or why it could not be told. */
            error?: string | null;
        };
        /** @description `{completions}`, at most 50. */
        CompletionList: {
            /** @description What could be written, the likeliest first. */
            completions: components["schemas"]["CompletionView"][];
        };
        /** @description Something that could be written. */
        CompletionView: {
            /** @description The text. */
            name: string;
            /** @description `function`, `class`, `module`, `variable`, `keyword`, `property` and so on. */
            type: string;
            /** @description Where it is defined. */
            module?: string | null;
            /** @description How it is called. */
            signature?: string | null;
            /** @description The beginning of its documentation, at most 200 characters. */
            docstring?: string | null;
        };
        /** @description A column that is computed. */
        ComputedColumn: {
            /** @description Its name. */
            name: string;
            /** @description Its type. */
            dtype: components["schemas"]["ColumnType"];
            /** @description How it is made; what it is made from may be made first. */
            method: components["schemas"]["FeatureMethod"];
            /** @description The raw columns that it comes from, first of all. */
            sources: string[];
        };
        /** @description What the owner can set. */
        ConfigPatch: {
            /**
             * Format: int32
             * @description Requests that are answered in any 60 seconds.
             */
            rateLimitPerMinute?: number | null;
        };
        /** @description What a worker wrote. */
        ContainerLogsView: {
            /** @description Its last lines. */
            stdout: string;
            /** @description Empty: a worker's two outputs are one stream. */
            stderr: string;
        };
        /** @description Pearson correlation of two columns over the rows where both have a value (at least 3). */
        Correlation: {
            /** @description One column. */
            columnA: string;
            /** @description The other. */
            columnB: string;
            /**
             * Format: double
             * @description −1..1.
             */
            coefficient: number;
        };
        /** @description PostgreSQL. */
        DatabaseCheck: {
            /** @description Result. */
            status: components["schemas"]["HealthStatus"];
            /** @description Always true: nothing works without. */
            critical: boolean;
            /** @description Whether there is a database to ask. */
            configured: boolean;
            /**
             * Format: double
             * @description How long it took to answer, milliseconds.
             */
            latencyMs?: number | null;
            /** @description What is wrong. */
            message?: string | null;
        };
        /** @description `{dataset}`. */
        DatasetEnvelope: {
            /** @description The dataset. */
            dataset: components["schemas"]["DatasetView"];
        };
        /**
         * Format: uuid
         * @description A dataset.
         */
        DatasetId: string;
        /** @description `{datasets}`, oldest first. */
        DatasetList: {
            /** @description The caller's datasets. */
            datasets: components["schemas"]["DatasetView"][];
        };
        /** @description What `metadata` of a dataset holds. */
        DatasetMetadataView: {
            /** @description Name to use in SQL. */
            sqlName: string;
            /** @description The physical name. */
            tableName: string;
            /**
             * Format: int64
             * @description Rows that SQL sees.
             */
            rowsLoaded: number;
            derivedFrom?: components["schemas"]["DatasetId"] | null;
            eda?: components["schemas"]["EdaSummary"] | null;
        } & {
            [key: string]: unknown;
        };
        /** @description A new display name. */
        DatasetPatch: {
            /** @description Not blank, at most 255 characters. */
            filename: string;
        };
        /** @description The form of an upload. */
        DatasetUpload: {
            /**
             * Format: binary
             * @description CSV, TSV, JSON, NDJSON or XLSX.
             */
            file: Blob;
            /**
             * Format: uuid
             * @description The project that it is for.
             */
            projectId?: string | null;
        };
        /** @description A dataset with its profile. */
        DatasetView: {
            /** @description Identity. */
            datasetId: components["schemas"]["DatasetId"];
            projectId?: components["schemas"]["ProjectId"] | null;
            /** @description Display name. */
            filename: string;
            /** @description Format of the original. */
            fileType: components["schemas"]["FileType"];
            /**
             * Format: int64
             * @description Size of the original, bytes.
             */
            size: number;
            /**
             * Format: int64
             * @description Rows.
             */
            nRows: number;
            /**
             * Format: int64
             * @description Columns.
             */
            nCols: number;
            /** @description What is known about each column, from every row. */
            columns: components["schemas"]["ColumnProfile"][];
            /** @description The first rows, at most 20. */
            sample: Record<string, never>[];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            /** @description `sqlName`, `tableName` (the physical one), `rowsLoaded`, `derivedFrom`, `eda`, and any other key. */
            metadata: components["schemas"]["DatasetMetadataView"];
            /** @description Name to use in SQL. */
            tableName: string;
            /** @description Name that is unique in the system; works in SQL too. */
            physicalTableName: string;
            /** @description Whether SQL can read it: always, since a dataset is stored only when it can. */
            queryable: boolean;
            /** @description What happened while the file was read. */
            ingest: components["schemas"]["IngestReport"];
            /**
             * Format: int32
             * @description Grows with each change of content or types.
             */
            version: number;
        };
        /** @description Asks how predictions depend on a feature. */
        DependenceCreate: {
            /** @description The feature. */
            feature: string;
        };
        /**
         * @description What can be done to a deployment.
         * @enum {string}
         */
        DeploymentAction: "start" | "stop";
        /** @description What the owner set. */
        DeploymentConfigView: {
            /**
             * Format: int32
             * @description Requests that are answered in any 60 seconds.
             */
            rateLimitPerMinute: number;
        };
        /** @description Deploys a model. */
        DeploymentCreate: {
            /** @description The model. */
            modelId: components["schemas"]["ModelId"];
            /** @description The project that it belongs to. */
            projectId: components["schemas"]["ProjectId"];
            /** @description What people call it. */
            name: string;
            runtime?: components["schemas"]["ServingRuntime"] | null;
            config?: components["schemas"]["ConfigPatch"] | null;
        };
        /** @description `{deployment}`. */
        DeploymentEnvelope: {
            /** @description The deployment. */
            deployment: components["schemas"]["DeploymentView"];
        };
        /**
         * Format: uuid
         * @description A deployed model.
         */
        DeploymentId: string;
        /** @description `{deployments}`. */
        DeploymentList: {
            /** @description Newest first. */
            deployments: components["schemas"]["DeploymentView"][];
        };
        /** @description Changes a deployment: starts or stops it, or sets something. */
        DeploymentPatch: {
            action?: components["schemas"]["DeploymentAction"] | null;
            config?: components["schemas"]["ConfigPatch"] | null;
        };
        /** @description What the server says on `/ws/deployment`. */
        DeploymentSocketMessage: {
            /** @enum {string} */
            type: "pong";
        } | {
            /** @description Why. */
            message: string;
            /** @enum {string} */
            type: "error";
        } | {
            /** @description The deployment. */
            deployment: components["schemas"]["DeploymentView"];
            /** @enum {string} */
            type: "deployment_snapshot";
        } | {
            /** @description Which. */
            deployment_id: components["schemas"]["DeploymentId"];
            /** @description Where. */
            status: components["schemas"]["DeploymentStatus"];
            /** @description Why it is failed or unhealthy. */
            error_message?: string | null;
            /** @enum {string} */
            type: "status_change";
        };
        /** @description What a client of `/ws/deployment` says. Unknown types are ignored. */
        DeploymentSocketRequest: {
            /** @description Which. */
            deployment_id: components["schemas"]["DeploymentId"];
            /** @enum {string} */
            type: "subscribe";
        } | {
            /** @description Which. */
            deployment_id: components["schemas"]["DeploymentId"];
            /** @enum {string} */
            type: "unsubscribe";
        } | {
            /** @enum {string} */
            type: "ping";
        };
        /**
         * @description Where a deployment stands.
         * @enum {string}
         */
        DeploymentStatus: "Creating" | "Starting" | "Healthy" | "Unhealthy" | "Stopping" | "Stopped" | "Failed";
        /** @description A deployed model. */
        DeploymentView: {
            /** @description Identity. */
            deploymentId: components["schemas"]["DeploymentId"];
            /** @description The model that it serves. */
            modelId: components["schemas"]["ModelId"];
            /** @description The project that it belongs to. */
            projectId: components["schemas"]["ProjectId"];
            /** @description What people call it. */
            name: string;
            /** @description Where it stands. */
            status: components["schemas"]["DeploymentStatus"];
            /** @description What runs it. */
            runtime: components["schemas"]["ServingRuntime"];
            /** @description Where it answers: add `/predict`. */
            endpointUrl: string;
            /** @description Why it is failed or unhealthy. */
            errorMessage?: string | null;
            /** @description What its owner set. */
            config: components["schemas"]["DeploymentConfigView"];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            stoppedAt?: components["schemas"]["Instant"] | null;
        };
        /** @description `{diagnostics}`. */
        DiagnosticList: {
            /** @description Syntax errors of the current cell. */
            diagnostics: components["schemas"]["DiagnosticView"][];
        };
        /** @description A syntax error. */
        DiagnosticView: {
            /**
             * Format: int32
             * @description First line in the current cell, from 1.
             */
            line: number;
            /**
             * Format: int32
             * @description First column, from 0.
             */
            column: number;
            /**
             * Format: int32
             * @description Last line.
             */
            endLine: number;
            /**
             * Format: int32
             * @description Column behind the last.
             */
            endColumn: number;
            /** @description What is wrong. */
            message: string;
            /** @description Always `error`. */
            severity: string;
        };
        /** @description The sandbox backend. */
        DockerCheck: {
            /** @description Result. */
            status: components["schemas"]["HealthStatus"];
            /** @description Always false. */
            critical: boolean;
            /** @description Whether a backend is configured. */
            enabled: boolean;
            /** @description Whether it answers. */
            reachable: boolean;
            /**
             * Format: double
             * @description How long it took to answer, milliseconds.
             */
            latencyMs?: number | null;
            /** @description What is wrong, and how to mend it. */
            message?: string | null;
        };
        /**
         * @description What a document's bytes were found to be.
         * @enum {string}
         */
        DocumentFormat: "Pdf" | "Docx" | "Markdown" | "Html" | "Text" | "Unknown";
        /**
         * Format: uuid
         * @description A document.
         */
        DocumentId: string;
        /** @description `{documents}`. */
        DocumentList: {
            /** @description The documents, newest first. */
            documents: components["schemas"]["DocumentView"][];
        };
        /** @description What was read from a document. */
        DocumentMetadataView: {
            /** @description What its content is. */
            type: components["schemas"]["DocumentFormat"];
            /** @description Why text is missing, for a person. */
            parseError?: string | null;
            /**
             * Format: int32
             * @description Characters of its normalised text.
             */
            textLength: number;
            /**
             * Format: int32
             * @description Pieces that search can find and cite.
             */
            chunkCount: number;
            /**
             * Format: int32
             * @description Pages, of a format that has them.
             */
            pageCount?: number | null;
            /** @description The model of its vectors, when it has them. */
            embeddingModel?: string | null;
        };
        /** @description The form of an upload. */
        DocumentUpload: {
            /**
             * Format: binary
             * @description PDF, DOCX, Markdown, HTML, XML or text of any kind. What it is, is told from its content.
             */
            file: Blob;
            /**
             * Format: uuid
             * @description The project that it is for.
             */
            projectId?: string | null;
        };
        /** @description A document in a list. */
        DocumentView: {
            /** @description Identity. */
            documentId: components["schemas"]["DocumentId"];
            projectId?: components["schemas"]["ProjectId"] | null;
            /** @description Display name. */
            filename: string;
            /** @description Media type of the download, by content. */
            mimeType: string;
            /**
             * Format: int64
             * @description Size of the original, bytes.
             */
            byteSize: number;
            /** @description What was read from it. */
            metadata: components["schemas"]["DocumentMetadataView"];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
        };
        /**
         * @description What a column is treated as in the summary.
         * @enum {string}
         */
        EdaKind: "numeric" | "categorical" | "datetime" | "boolean";
        /** @description What a summary was computed from. */
        EdaScope: {
            /** @description Dataset or query. */
            source: components["schemas"]["EdaSource"];
            /**
             * Format: int64
             * @description Rows that were analysed.
             */
            rowsAnalyzed: number;
            /**
             * Format: int64
             * @description Rows that there are.
             */
            totalRows: number;
        };
        /**
         * @description Where the rows of a summary came from.
         * @enum {string}
         */
        EdaSource: "dataset-profile" | "query-result";
        /** @description Exploratory summary of a dataset or of a query's result. Every number is finite; missing values are left out. */
        EdaSummary: {
            /** @description Numeric columns with at least one value. */
            numericColumns: components["schemas"]["NumericSummary"][];
            /** @description Categorical columns. */
            categoricalColumns: components["schemas"]["CategoricalSummary"][];
            /** @description Every column. */
            dataQuality: components["schemas"]["ColumnQuality"][];
            histogram?: components["schemas"]["Histogram"] | null;
            /** @description The first numeric columns, at most 20. */
            histograms?: components["schemas"]["Histogram"][] | null;
            scatter?: components["schemas"]["Scatter"] | null;
            /** @description Pearson coefficients of the numeric pairs, strongest first. */
            correlations?: components["schemas"]["Correlation"][] | null;
            /** @description The strongest pairs, at most 15, with at most 300 points each. */
            scatterPairs?: components["schemas"]["ScatterPair"][] | null;
            missingMatrix?: components["schemas"]["MissingMatrix"] | null;
            scope?: components["schemas"]["EdaScope"] | null;
        };
        /** @description The body of every failed request. */
        ErrorBody: {
            /** @description What went wrong and what to do, for people. */
            error: string;
            /** @description What went wrong, for programs; docs/ERRORS.md lists them. */
            code: string;
            /** @description Names the request in the server's log. */
            requestId?: string | null;
            /** @description What is wrong with which field. */
            fields?: components["schemas"]["FieldError"][] | null;
            /** @description `auth` routes only: the same in the older shape. */
            issues?: components["schemas"]["Issue"][] | null;
            errors?: components["schemas"]["ErrorMap"] | null;
            details?: components["schemas"]["ErrorDetails"] | null;
            detail?: components["schemas"]["ErrorDetail"] | null;
            /**
             * Format: int64
             * @description When to try again, seconds.
             */
            retryAfter?: number | null;
            /**
             * Format: int64
             * @description Predictions only: how large a body may be, bytes.
             */
            maxBytes?: number | null;
            position?: components["schemas"]["TextPosition"] | null;
            /**
             * @description Where agents stand in the way, and `error` is a name (`WORKFLOW_ALREADY_RUNNING`, `DATASET_IN_USE`): what to do, for
             *     people.
             */
            message?: string | null;
            /** @description `WORKFLOW_ALREADY_RUNNING` only: the run whose turn is on its way. */
            activeRunId?: string | null;
            datasetId?: components["schemas"]["DatasetId"] | null;
            /** @description `DATASET_IN_USE` only: its display name. */
            datasetFilename?: string | null;
            /** @description `DATASET_IN_USE` only: the runs that work on it. */
            activeRunIds?: string[] | null;
            /** @description `DATASET_IN_USE` only: the same, with where they stand. */
            activeWorkflows?: components["schemas"]["ActiveWorkflow"][] | null;
        };
        /**
         * @description Why a request failed. New codes may come; existing ones keep their meaning.
         * @enum {string}
         */
        ErrorCode: "invalid_request" | "validation_failed" | "invalid_id" | "payload_too_large" | "unauthenticated" | "invalid_credentials" | "wrong_password" | "refresh_token_reused" | "email_not_verified" | "email_already_verified" | "email_taken" | "token_invalid" | "sign_in_failed" | "account_exists" | "identity_taken" | "identity_not_found" | "last_sign_in" | "provider_failed" | "insufficient_scope" | "forbidden" | "not_found" | "user_not_found" | "project_not_found" | "dataset_not_found" | "document_not_found" | "column_not_found" | "notebook_not_found" | "cell_not_found" | "savepoint_not_found" | "execution_session_not_found" | "cell_locked" | "runtime_unavailable" | "sandbox_failed" | "model_not_found" | "deployment_not_found" | "api_key_not_found" | "prediction_not_found" | "api_key_invalid" | "deployment_limit" | "model_not_deployable" | "deployment_not_ready" | "rows_refused" | "serving_failed" | "template_unknown" | "training_failed" | "out_of_budget" | "workflow_not_found" | "preprocessing_run_not_found" | "feature_run_not_found" | "plan_chat_not_found" | "golden_question_not_found" | "job_not_found" | "session_not_found" | "token_not_found" | "file_missing" | "unsupported_format" | "unreadable_file" | "too_many_columns" | "conversion_failed" | "features_refused" | "dataset_in_use" | "quota_exceeded" | "disk_full" | "sql_refused" | "sql_invalid" | "sql_failed" | "sql_timeout" | "sql_too_expensive" | "too_many_requests" | "job_cancelled" | "job_failed" | "worker_lost" | "conflict" | "idempotency_mismatch" | "not_configured" | "llm_unavailable" | "llm_timeout" | "llm_failed" | "database_unavailable" | "shutting_down" | "internal";
        /** @description What `detail` holds. */
        ErrorDetail: string | Record<string, never>[];
        /** @description What `details` holds. */
        ErrorDetails: string | components["schemas"]["Issue"][] | components["schemas"]["FlatErrors"];
        /** @description What `errors` holds. */
        ErrorMap: components["schemas"]["FlatErrors"] | {
            [key: string]: string;
        };
        /** @description An evaluation that is not there yet. */
        EvaluationPendingView: {
            /** @description Where it stands. */
            status: components["schemas"]["EvaluationStatus"];
            /** @description What to expect, for people. */
            message: string;
        };
        /** @description An evaluation that was computed again. */
        EvaluationRetriedView: {
            /** @description Always true. */
            ok: boolean;
            /** @description Where it stands now. */
            evaluationStatus: components["schemas"]["EvaluationStatus"];
        };
        /**
         * @description Where the evaluation of a model stands.
         * @enum {string}
         */
        EvaluationStatus: "Pending" | "Computing" | "Ready" | "Failed";
        /** @description When something happened. */
        EventStamp: {
            /** @description When. */
            timestamp: components["schemas"]["Instant"];
            /**
             * Format: int64
             * @description Its number in the notebook: a reconnecting client sends the last one it has as `after`.
             */
            seq: number;
        };
        /** @description Code to be run. */
        ExecuteCode: {
            /** @description The project whose datasets and packages it sees. */
            projectId: components["schemas"]["ProjectId"];
            /** @description Python, 1 to 1,000,000 characters. */
            code: string;
            /** @description The session to run in. Without one, or with one that is not there, the project's common one. */
            sessionId?: string | null;
            pythonVersion?: components["schemas"]["PythonVersion"] | null;
            /**
             * Format: double
             * @description How long it may run, 1000 to 300,000 milliseconds; the user's setting when absent.
             */
            timeout?: number | null;
        };
        /**
         * @description Whether code can be run.
         * @enum {string}
         */
        ExecuteHealth: "healthy" | "degraded";
        /** @description Whether code can be run. */
        ExecuteHealthView: {
            /** @description `healthy` or `degraded`. */
            status: components["schemas"]["ExecuteHealth"];
            /** @description Whether a sandbox backend is ready, of whichever kind: clients switch their runtime on from it. */
            dockerAvailable: boolean;
            /** @description Sandboxes with a kernel. */
            activeSessions: number;
            /** @description Kernels that are kept ready for whoever comes next. */
            readyKernels: number;
            /** @description The backend in use: `process` or `docker`. */
            backend?: string | null;
            /** @description What keeps sandboxes apart from the host. */
            isolation: string[];
            /** @description Why other backends are not used, or nothing is ready. */
            reasons: string[];
        };
        /** @description What running code gave. */
        ExecuteView: {
            /** @description Always true: a run that failed says so in its result. */
            success: boolean;
            /** @description The session that it ran in. */
            sessionId: components["schemas"]["ExecutionSessionId"];
            /** @description The result; `executionOrder` is the kernel's counter. */
            result: components["schemas"]["ExecutionResult"];
        };
        /** @description What a run gave back. */
        ExecutionResult: {
            /** @description How it ended. */
            status: components["schemas"]["ExecutionStatus"];
            /** @description Everything it printed, up to the cap. */
            stdout: string;
            /** @description Everything it printed to standard error, up to the cap. */
            stderr: string;
            /** @description The outputs to keep, in the order of contract 3 section 4. */
            outputs: components["schemas"]["RichOutput"][];
            /**
             * Format: int64
             * @description Wall time, milliseconds.
             */
            executionMs: number;
            /** @description `Ename: value`, or why it was stopped. */
            error?: string | null;
            /**
             * Format: int64
             * @description The number of the run: the kernel's counter, or the notebook's.
             */
            executionOrder?: number | null;
            /**
             * Format: int64
             * @description Bytes of output that were cut off at the cap. Additive.
             */
            truncatedBytes?: number;
        };
        /**
         * Format: uuid
         * @description A kernel session outside of notebooks.
         */
        ExecutionSessionId: string;
        /** @description A kernel session. */
        ExecutionSessionView: {
            /** @description Identity. */
            id: components["schemas"]["ExecutionSessionId"];
            /** @description The project whose datasets and packages it sees. */
            projectId: components["schemas"]["ProjectId"];
            /** @description What it runs on. */
            pythonVersion: components["schemas"]["PythonVersion"];
            /** @description What can be imported. */
            installedPackages: components["schemas"]["PackageInfo"][];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it was used last. */
            lastUsedAt: components["schemas"]["Instant"];
        };
        /**
         * @description How a run ended.
         * @enum {string}
         */
        ExecutionStatus: "success" | "error" | "timeout";
        /** @description A dataset that a cell saved to the project. */
        ExportedDatasetView: {
            /** @description Identity. */
            id: components["schemas"]["DatasetId"];
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Rows.
             */
            rows: number;
            /**
             * Format: int64
             * @description Columns.
             */
            cols: number;
        };
        /** @description A dataset with features to be made. */
        FeatureApply: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The dataset that they are made from, one of the project's. */
            datasetId: components["schemas"]["DatasetId"];
            /** @description Display name of the new dataset; its extension is not looked at. By the source's name when absent. */
            outputName?: string | null;
            outputFormat?: components["schemas"]["FileType"] | null;
            pythonVersion?: components["schemas"]["PythonVersion"] | null;
            /**
             * @description The column that is to be predicted, which code does not get to see unless its feature names it in
             *     `params.targetColumn`. When absent: the targets that features of the request name, else the dataset's one target.
             *     Additive.
             */
            targetColumn?: string | null;
            /** @description The features, in the order in which they are made: a later one may use the columns of an earlier one. */
            features: components["schemas"]["FeatureCreate"][];
        };
        /** @description `{dataset, warning?, features}`. */
        FeatureApplyView: {
            /** @description The new dataset. */
            dataset: components["schemas"]["UploadedDatasetView"];
            /** @description The same text as in the dataset. */
            warning?: string | null;
            /** @description What came of each feature: the columns that it made, its values that are missing by why, what it learned. */
            features: Record<string, never>[];
        };
        /** @description A feature to be made. */
        FeatureCreate: {
            /** @description The client's own id of it. */
            id?: string | null;
            /** @description The column that it is made from. */
            sourceColumn: string;
            /** @description The other column of `ratio`, `difference` and `product`. */
            secondaryColumn?: string | null;
            /** @description Name of the new column, or the beginning of the names of several. */
            featureName: string;
            /** @description What it is, for people. */
            description?: string | null;
            /** @description How it is made. */
            method: components["schemas"]["FeatureMethod"];
            /** @description The group in which it is shown; not looked at. */
            category?: string | null;
            /** @description Parameters of the method. */
            params?: Record<string, never> | null;
            /** @description Whether it is to be made; true when absent. */
            enabled?: boolean | null;
            /**
             * @description Python that makes it from the frame `df`, in the place of the method. Code without a statement that uses `df` is not
             *     looked at. Code whose `params` name a `targetColumn` is run part by part, without the targets of the rows that it makes.
             */
            code?: string | null;
        };
        /** @description How a feature's code ran. */
        FeatureExecutionView: {
            /** @description Whether it ran to its end. */
            succeeded: boolean;
            /** @description What it printed. */
            stdout?: string | null;
            /** @description What went wrong. */
            stderr?: string | null;
            /**
             * Format: int64
             * @description How long it took.
             */
            executionMs?: number | null;
        };
        /**
         * @description How much a feature is expected to help.
         * @enum {string}
         */
        FeatureImpact: "High" | "Medium" | "Low";
        /** @description How important a feature is. */
        FeatureImportanceView: {
            /** @description The feature. */
            name: string;
            /**
             * Format: double
             * @description How important.
             */
            importance: number;
            /**
             * Format: double
             * @description How sure that is.
             */
            std: number;
        };
        /**
         * @description How a feature is made from its source column.
         * @enum {string}
         */
        FeatureMethod: "LogTransform" | "Log1pTransform" | "SqrtTransform" | "SquareTransform" | "ReciprocalTransform" | "BoxCox" | "YeoJohnson" | "Standardize" | "MinMaxScale" | "RobustScale" | "MaxAbsScale" | "Bucketize" | "QuantileBin" | "OneHotEncode" | "LabelEncode" | "TargetEncode" | "FrequencyEncode" | "BinaryEncode" | "ExtractYear" | "ExtractMonth" | "ExtractDay" | "ExtractWeekday" | "ExtractHour" | "CyclicalEncode" | "TimeSince" | "Polynomial" | "Ratio" | "Difference" | "Product" | "TextLength" | "WordCount" | "ContainsPattern" | "MissingIndicator";
        /** @description `{run}`. */
        FeatureRunEnvelope: {
            /** @description The run. */
            run: components["schemas"]["FeatureRunView"];
        };
        /** @description `{projectId, count, runs}`, the last changed first. */
        FeatureRunList: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description How many runs there are in the list. */
            count: number;
            /** @description The runs. */
            runs: components["schemas"]["FeatureRunView"][];
        };
        /** @description A run of an agent that makes features. */
        FeatureRunView: {
            /** @description Identity: `feat-` and a UUID. */
            runId: string;
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            scopeNotebookId?: components["schemas"]["NotebookId"] | null;
            /** @description Its features by their ids, oldest first. */
            features: {
                [key: string]: components["schemas"]["FeatureStepView"];
            };
            /** @description The last checkpoint. */
            lastCheckpointId?: string | null;
            /** @description Its name. */
            lastCheckpointLabel?: string | null;
            lastCheckpointAt?: components["schemas"]["Instant"] | null;
            /** @description When the run was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /**
         * @description How far a feature has come.
         * @enum {string}
         */
        FeatureStatus: "Proposed" | "CodeReady" | "Executed" | "Failed" | "Validated" | "Registered" | "Rejected";
        /** @description A feature of a run. */
        FeatureStepView: {
            /** @description Its id within the run. */
            featureId: string;
            /** @description Its name. */
            name: string;
            /** @description How it is made. */
            method: string;
            /** @description Why, in the model's words. */
            rationale?: string | null;
            /** @description The columns that it is made from. */
            sourceColumns?: string[];
            /** @description Parameters of its method. */
            params?: Record<string, never> | null;
            impact?: components["schemas"]["FeatureImpact"] | null;
            /** @description Its code. */
            code?: string | null;
            /** @description The first 24 hexadecimal digits of the code's SHA-256. */
            codeHash?: string | null;
            /** @description The columns that it makes. */
            outputColumns?: string[];
            /** @description How far it has come. */
            status: components["schemas"]["FeatureStatus"];
            executionResult?: components["schemas"]["FeatureExecutionView"] | null;
            validation?: components["schemas"]["FeatureValidationView"] | null;
            registeredAt?: components["schemas"]["Instant"] | null;
            /** @description Why it was not kept. */
            rejectionReason?: string | null;
            /** @description When it was proposed. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description What was measured of a feature. */
        FeatureValidationView: {
            /**
             * Format: double
             * @description Share of rows without a value, 0..1.
             */
            nullRate?: number | null;
            /**
             * Format: double
             * @description How closely it goes along with the target, -1..1.
             */
            correlationWithTarget?: number | null;
            /** @description How likely it tells the target. */
            leakageRisk: components["schemas"]["LeakageRisk"];
            /** @description Remarks. */
            distributionNotes?: string | null;
        };
        /**
         * @description What people think of a prediction.
         * @enum {string}
         */
        Feedback: "Positive" | "Negative";
        /** @description What somebody thinks of a prediction. */
        FeedbackCreate: {
            /** @description Right or wrong. */
            feedback: components["schemas"]["Feedback"];
        };
        /** @description One thing that is wrong with a request. */
        FieldError: {
            /** @description Where: a dotted path into the body, or the name of a query or path parameter; empty for the whole body. */
            path: string;
            /** @description What kind of problem, for programs. */
            code: string;
            /** @description What is wrong and what is allowed, for people. */
            message: string;
        };
        /**
         * @description The family of format that a file was uploaded in.
         * @enum {string}
         */
        FileType: "csv" | "json" | "xlsx";
        /** @description A filter in plain words. */
        FilterCreate: {
            /** @description What to look for. */
            query: string;
        };
        /** @description What a filter was understood as. */
        FilterView: {
            /** @description A model must meet all. */
            predicates: components["schemas"]["PredicateView"][];
        };
        /** @description Validation problems in the older shape that most routes answer with. */
        FlatErrors: {
            /** @description Problems of the body as a whole. */
            formErrors: string[];
            /** @description Problems by top-level field. */
            fieldErrors: {
                [key: string]: string[];
            };
        };
        /** @description A forgotten password. */
        ForgotPassword: {
            /** @description Address of the account. */
            email: string;
        };
        /** @description From where a run is repeated. */
        ForkCreate: {
            /**
             * Format: int64
             * @description The last event that the new run has.
             */
            afterSequence: number;
        };
        /** @description What came of asking a golden question. */
        GoldenAskedView: {
            /** @description How it went. */
            verdict: components["schemas"]["GoldenVerdict"];
            /** @description The generated statement. */
            generatedSql?: string | null;
            /** @description Why it went wrong. */
            reason?: string | null;
            /**
             * Format: double
             * @description How sure the server was, 0..1.
             */
            confidence?: number | null;
            /** @description When. */
            askedAt: components["schemas"]["Instant"];
        };
        /** @description A golden question to be made. */
        GoldenQuestionCreate: {
            /** @description The question, from 3 characters. */
            question: string;
            /** @description A statement over the project's tables that answers it. */
            expectedSql: string;
        };
        /** @description `{goldenQuestion}`. */
        GoldenQuestionEnvelope: {
            /** @description The question. */
            goldenQuestion: components["schemas"]["GoldenQuestionView"];
        };
        /**
         * Format: uuid
         * @description A question with a known answer.
         */
        GoldenQuestionId: string;
        /** @description `{goldenQuestions}`, oldest first. */
        GoldenQuestionList: {
            /** @description The project's questions. */
            goldenQuestions: components["schemas"]["GoldenQuestionView"][];
        };
        /** @description Changes to a golden question: absent fields keep their value. */
        GoldenQuestionPatch: {
            /** @description The question, from 3 characters. */
            question?: string | null;
            /** @description A statement over the project's tables that answers it. */
            expectedSql?: string | null;
        };
        /** @description A golden question. */
        GoldenQuestionView: {
            /** @description Identity. */
            goldenQuestionId: components["schemas"]["GoldenQuestionId"];
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The question. */
            question: string;
            /** @description A statement that answers it. */
            expectedSql: string;
            lastAsked?: components["schemas"]["GoldenAskedView"] | null;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description How the golden questions of a project went. */
        GoldenReport: {
            /**
             * Format: int32
             * @description How many were asked.
             */
            total: number;
            /**
             * Format: int32
             * @description How many gave the rows of their expected statement.
             */
            right: number;
            /**
             * Format: int32
             * @description How many count for nothing, because their expected statement cannot be run.
             */
            broken: number;
            /**
             * Format: double
             * @description Share of right answers among those that count; null when none does.
             */
            executionAccuracy?: number | null;
            /** @description The model that was asked. */
            model: string;
        };
        /**
         * @description How a golden question went.
         * @enum {string}
         */
        GoldenVerdict: "right" | "wrong" | "failed" | "no_answer" | "broken_case";
        /** @description The end of a sign-in with Google. */
        GoogleCallback: {
            /** @description The `code` that the page of the frontend was opened with. */
            code: string;
        };
        /** @description Where sign-in with Google begins. */
        GoogleStart: {
            /** @description Where to send the browser. */
            authUrl: string;
        };
        /** @description The single checks. */
        HealthChecks: {
            /** @description PostgreSQL. */
            database: components["schemas"]["DatabaseCheck"];
            /** @description The sandbox backend for code. */
            docker: components["schemas"]["DockerCheck"];
            /** @description The image or environment that sandboxes run in. */
            runtimeImage: components["schemas"]["RuntimeImageCheck"];
            /** @description The language model. */
            llm: components["schemas"]["LlmCheck"];
            /** @description This process. */
            memory: components["schemas"]["MemoryCheck"];
        };
        /**
         * @description How a check, or the whole, stands.
         * @enum {string}
         */
        HealthStatus: "ok" | "degraded" | "error";
        /** @description The server's health, as measured in the background at most a few seconds ago. */
        HealthView: {
            /** @description `error` when a critical check fails, else `degraded` when any check is not `ok`. */
            status: components["schemas"]["HealthStatus"];
            /**
             * Format: double
             * @description Seconds since the server started.
             */
            uptime: number;
            /** @description When this was put together. */
            timestamp: components["schemas"]["Instant"];
            /** @description Host name. */
            host: string;
            /** @description Version of the server. */
            version: string;
            /** @description The single checks. */
            checks: components["schemas"]["HealthChecks"];
        };
        /** @description Counts in equal-width buckets. */
        Histogram: {
            /** @description The column. */
            column: string;
            /** @description 15 buckets, or one when all values are equal. */
            buckets: components["schemas"]["Bucket"][];
        };
        /**
         * @description Whether what made a model could see the rows that it is scored on.
         * @enum {string}
         */
        Holdout: "Sealed" | "Unsealed";
        /** @description `{hover}`. */
        HoverEnvelope: {
            hover?: components["schemas"]["HoverView"] | null;
        };
        /** @description What a name means. */
        HoverView: {
            /** @description The name. */
            name: string;
            /** @description What kind of thing it is. */
            type: string;
            /** @description Its documentation, at most 1000 characters. */
            docstring: string;
            /** @description Its full name. */
            fullName?: string | null;
        };
        /** @description `{identities}`, the oldest link first. */
        IdentityList: {
            /** @description The caller's identities at other providers. */
            identities: components["schemas"]["IdentityView"][];
        };
        /**
         * @description Who vouches for people beside this server.
         * @enum {string}
         */
        IdentityProvider: "google";
        /** @description An account at another provider by which the caller logs in. */
        IdentityView: {
            /** @description The provider, for unlinking it. */
            provider: components["schemas"]["IdentityProvider"];
            /** @description Since when it is linked. */
            linkedAt: components["schemas"]["Instant"];
        };
        /** @description What happened while a file was read. Nothing is lost without a number here. */
        IngestReport: {
            /**
             * Format: int64
             * @description Records found in the file, header and blank lines not counted.
             */
            rowsRead: number;
            /**
             * Format: int64
             * @description Records that could not be read at all and are not in the dataset.
             */
            rowsRejected: number;
            /**
             * Format: int64
             * @description Records that had more fields than the header; the extra fields are in the rejects report.
             */
            rowsTooLong: number;
            /**
             * Format: int64
             * @description Records that had fewer fields than the header; the missing ones are null.
             */
            rowsTooShort: number;
            /** @description Values that did not fit, by column. */
            coercions: components["schemas"]["Coercion"][];
            /** @description Encoding that the file was read in. */
            encoding: string;
            /** @description Remarks on the file as a whole: renamed headers, further sheets that were not read, … */
            notes: string[];
            /** @description Whether the rejects report lists every reject, or only the first ones. */
            rejectsComplete: boolean;
            /**
             * Format: int64
             * @description How many entries the rejects report has.
             */
            rejectsListed: number;
        };
        /** @description What was found in the data. */
        InsightContext: {
            /** @description The columns that it is about, at most 20. */
            columns: string[];
            /** @description Its kind. */
            issueType: string;
            /** @description How bad it is. */
            severity: string;
            /** @description What it is, in words. */
            text: string;
            /** @description The columns of the table, at most 200. */
            datasetSchema: components["schemas"]["SchemaColumn"][];
            /** @description The table. */
            tableName: string;
        };
        /** @description A text about models to be written. */
        InsightCreate: {
            /** @description `banner`, `explain`, `compare`, `error_narrative` or `report`. */
            type: string;
            /** @description What the client shows. */
            context?: Record<string, never> | null;
        };
        /** @description A line of an installation's stream. `done` is the last one, always. */
        InstallLine: {
            /** @description The line. */
            message: string;
            /** @enum {string} */
            type: "log";
        } | {
            /**
             * Format: int32
             * @description 0 to 100, strictly rising.
             */
            progress: number;
            /** @description What is being done. */
            stage: string;
            /** @enum {string} */
            type: "progress";
        } | {
            /** @description Whether the packages are there. */
            success: boolean;
            /** @description For people. */
            message: string;
            /** @enum {string} */
            type: "done";
        };
        /** @description How an installation ended. */
        InstallView: {
            /** @description Whether the packages are there. */
            success: boolean;
            /** @description For people. */
            message: string;
        };
        /**
         * Format: date-time
         * @description An instant: ISO 8601, UTC, milliseconds, `Z`.
         * @example 2026-01-31T10:20:30.123Z
         */
        Instant: string;
        /** @description Why a run should stop. */
        InterruptCreate: {
            /** @description What to record as the reason. */
            reason?: string | null;
        };
        /** @description A run, and whether it was interrupted now. */
        InterruptView: {
            /** @description The run. */
            run: Record<string, never>;
            /** @description Whether it was interrupted now. */
            interrupted: boolean;
        };
        /** @description A validation problem in the older shape that the `auth` routes answer with. */
        Issue: {
            /** @description What kind of problem. */
            code: string;
            /** @description Path segments into the body. */
            path: string[];
            /** @description What is wrong. */
            message: string;
        };
        /** @description `{job}`. */
        JobEnvelope: {
            /** @description The job. */
            job: components["schemas"]["JobView"];
        };
        /** @description Why a job ended without a result. */
        JobError: {
            /** @description A wire error code. */
            code: string;
            /** @description What to do next, for a person. */
            message: string;
            /** @description The field or place that is at fault, when there is one. */
            detail?: string | null;
        };
        /**
         * @description One event of a job's log: `seq`, `type` and `timestamp`, and the event's own fields beside them.
         *
         *     Types: `job_queued`, `job_started` (`attempt`), `progress` (`fraction`, `message`), `job_retried` (`error`),
         *     and one closing event: `job_succeeded` (`result`), `job_failed` (`error`) or `job_cancelled`.
         */
        JobEventView: {
            /**
             * Format: int64
             * @description Position in the log, from 1, without gaps.
             */
            seq: number;
            /** @description The event's type. */
            type: string;
            /** @description When it happened, by the event's own account, or else when it was appended. */
            timestamp: components["schemas"]["Instant"];
        } & {
            [key: string]: unknown;
        };
        /**
         * Format: uuid
         * @description A job in the durable queue.
         */
        JobId: string;
        /**
         * @description What a job does. Each kind has one handler.
         * @enum {string}
         */
        JobKind: "dataset_ingest" | "dataset_retype" | "document_ingest" | "model_train" | "model_evaluate" | "model_tune" | "deployment_start" | "nl_query" | "golden_run" | "agent_turn" | "feature_apply" | "probe";
        /** @description `{jobs}`, newest first. */
        JobList: {
            /** @description The caller's jobs. */
            jobs: components["schemas"]["JobView"][];
            /** @description Send as `cursor` for the next page; absent on the last one. */
            nextCursor?: string | null;
        };
        /** @description How far a job has come. */
        JobProgress: {
            /**
             * Format: double
             * @description Share of the work done, 0..1, when it can be told.
             */
            fraction?: number | null;
            /** @description What is being done, for a person. */
            message?: string | null;
        };
        /**
         * @description Where a job stands.
         * @enum {string}
         */
        JobState: "queued" | "running" | "succeeded" | "failed" | "cancelled";
        /** @description A job. */
        JobView: {
            /** @description Identity. */
            jobId: components["schemas"]["JobId"];
            /** @description What it does. */
            kind: components["schemas"]["JobKind"];
            projectId?: components["schemas"]["ProjectId"] | null;
            /** @description Where it stands. */
            status: components["schemas"]["JobState"];
            /** @description How far it has come. */
            progress: components["schemas"]["JobProgress"];
            /** @description What it made, once it succeeded. */
            result?: Record<string, never> | null;
            error?: components["schemas"]["JobError"] | null;
            /**
             * Format: int32
             * @description How often it was started.
             */
            attempt: number;
            /** @description Whether somebody asked to stop it. */
            cancelRequested: boolean;
            /** @description When it was submitted. */
            createdAt: components["schemas"]["Instant"];
            startedAt?: components["schemas"]["Instant"] | null;
            finishedAt?: components["schemas"]["Instant"] | null;
        };
        /**
         * @description How likely it is that a feature tells a model what it is to predict.
         * @enum {string}
         */
        LeakageRisk: "Absent" | "Low" | "Medium" | "High";
        /** @description The language model, asked for a sign of life about once a minute. */
        LlmCheck: {
            /** @description Result; `ok` when none is configured, as that is a choice. */
            status: components["schemas"]["HealthStatus"];
            /** @description Always false. */
            critical: boolean;
            /** @description Whether one is configured. */
            configured: boolean;
            /** @description The kind of its provider. */
            provider?: string | null;
            /** @description The model that is asked by default. */
            model?: string | null;
            /**
             * Format: double
             * @description How long it took to answer, milliseconds.
             */
            latencyMs?: number | null;
            /** @description What is wrong or missing, and how to mend it. */
            message?: string | null;
        };
        /**
         * @description Who holds a cell.
         * @enum {string}
         */
        LockOwner: "ai" | "user";
        /** @description A login. */
        Login: {
            /** @description Address. */
            email: string;
            /** @description Password. */
            password: string;
            /** @description Keeps the session for 30 days instead of 7. */
            rememberMe?: boolean;
        };
        /** @description `{sessions}`, newest first. */
        LoginSessionList: {
            /** @description The caller's open sessions. */
            sessions: components["schemas"]["LoginSessionView"][];
        };
        /** @description A login session, in the contract's `snake_case`. */
        LoginSessionView: {
            /** @description Identity, for revoking it. */
            token_id: components["schemas"]["TokenId"];
            /** @description Where it was opened from. */
            ip_address?: string | null;
            /** @description What opened it. */
            user_agent?: string | null;
            /** @description When it was opened. */
            created_at: components["schemas"]["Instant"];
            /** @description Whether it is the one of the `x-refresh-token` header. */
            current: boolean;
        };
        /** @description A logout. */
        Logout: {
            /** @description The session's refresh token; without it, the session of the access token ends. */
            refreshToken?: string | null;
        };
        /** @description This process' memory, bytes. */
        MemoryCheck: {
            /** @description Result. */
            status: components["schemas"]["HealthStatus"];
            /** @description Always false. */
            critical: boolean;
            /**
             * Format: int64
             * @description Resident set.
             */
            rssBytes: number;
            /**
             * Format: int64
             * @description Data segment, which is the nearest thing to a heap that the kernel reports.
             */
            heapTotalBytes: number;
            /**
             * Format: int64
             * @description Anonymous resident memory.
             */
            heapUsedBytes: number;
            /**
             * Format: int64
             * @description File-backed resident memory.
             */
            externalBytes: number;
            /**
             * Format: int64
             * @description Always 0: there are no array buffers here.
             */
            arrayBuffersBytes: number;
        };
        /** @description A plain acknowledgement for people. */
        MessageView: {
            /** @description What happened. */
            message: string;
        };
        /** @description How models differ in a metric. */
        MetricDeltaView: {
            /** @description The metric. */
            metric: string;
            /** @description Its values, in the order that was asked for; null where a model has none. */
            values: (number | null)[];
            /**
             * Format: double
             * @description Largest less smallest.
             */
            delta: number;
            /**
             * Format: double
             * @description Of two models: how likely such a difference is by chance, by resampling the same rows.
             */
            pValue?: number | null;
            /** @description Of two models: whether the interval of the difference leaves out zero. */
            significant?: boolean | null;
        };
        /** @description Presence of values: 1 = there, 0 = missing. */
        MissingMatrix: {
            /** @description Columns, in order. */
            columns: string[];
            /** @description One list per chosen row. */
            matrix: number[][];
        };
        /** @description The models that can be chosen. */
        ModelCatalogView: {
            /** @description The model for who does not choose. */
            defaultModel: string;
            /** @description Its effort. */
            defaultReasoningEffort: string;
            /** @description The models, in the order in which they are shown. */
            featuredModels: components["schemas"]["ModelChoiceView"][];
            /** @description The same. */
            models: components["schemas"]["ModelChoiceView"][];
        };
        /** @description A model that can be chosen. */
        ModelChoiceView: {
            /** @description What to send. */
            id: string;
            /** @description Its name. */
            label: string;
            /** @description `base`, `codex`, `mini` or `nano`. */
            kind: string;
            /** @description A sentence about it. */
            description: string;
            /** @description A hint for who chooses. */
            tip?: string | null;
            /** @description The efforts that it has, of `low`, `medium`, `high`, `xhigh`. */
            reasoningEfforts: string[];
            /** @description The effort for who does not choose. */
            defaultReasoningEffort: string;
            /** @description Always true. */
            featured: boolean;
            /**
             * Format: int32
             * @description Its place in the list, from 0.
             */
            featuredOrder: number;
            /**
             * Format: int64
             * @description Tokens that fit into one conversation, if that is known.
             */
            contextWindow?: number | null;
            price?: components["schemas"]["ModelPriceView"] | null;
        };
        /** @description A training to be run. */
        ModelCreate: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The dataset, one of the project's. */
            datasetId: components["schemas"]["DatasetId"];
            /** @description The template's id, or one of its other names. */
            templateId: string;
            /** @description The column to predict; required but for clustering. */
            targetColumn?: string | null;
            /** @description Parameters that differ from the template's. */
            parameters?: Record<string, never> | null;
            /**
             * Format: double
             * @description Share of the rows that is held out; the declared split's when absent, at first 0.2. A smaller test is part of a larger
             *     one.
             */
            testSize?: number | null;
            /** @description Display name; the template's name when absent. */
            name?: string | null;
            problemType?: components["schemas"]["TaskType"] | null;
            /** @description The columns to predict from; all others when absent. */
            features?: string[] | null;
            /** @description What a column is to be taken for: `numeric`, `categorical`, `date` or `drop`. */
            columns?: {
                [key: string]: components["schemas"]["ColumnRole"];
            } | null;
            split?: components["schemas"]["SplitCreate"] | null;
            /**
             * Format: int32
             * @description What makes the training repeatable, and chooses the rows; the declared split's when absent, at first 42.
             */
            seed?: number | null;
            /**
             * @description Declares the split again: later trainings use the new one, models that exist keep theirs. Without it, another `split`
             *     or `seed` than the declared one is refused once a model was scored by that.
             */
            redeclareSplit?: boolean | null;
        };
        /** @description `{model}`. */
        ModelEnvelope: {
            /** @description The model. */
            model: components["schemas"]["ModelView"];
        };
        /**
         * Format: uuid
         * @description A trained model.
         */
        ModelId: string;
        /** @description `{models}`, newest first. */
        ModelList: {
            /** @description The caller's models. */
            models: components["schemas"]["ModelView"][];
        };
        /** @description What a model costs, in US dollars for a million tokens. */
        ModelPriceView: {
            /**
             * Format: double
             * @description Sent.
             */
            input: number;
            /**
             * Format: double
             * @description Sent, and read from the provider's cache.
             */
            cachedInput: number;
            /**
             * Format: double
             * @description Written.
             */
            output: number;
        };
        /** @description `GET /v2/models/{deploymentId}/ready`. */
        ModelReadyView: {
            /** @description The deployment. */
            name: components["schemas"]["DeploymentId"];
            /** @description True; else the answer is an error. */
            ready: boolean;
        };
        /**
         * @description How a training ended.
         * @enum {string}
         */
        ModelStatus: "Completed" | "Failed";
        /** @description A trained model, or a training that failed. */
        ModelView: {
            /** @description Identity. */
            modelId: components["schemas"]["ModelId"];
            /** @description The project that it belongs to. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The dataset that it was trained on; it may be gone. */
            datasetId: components["schemas"]["DatasetId"];
            /** @description Display name. */
            name: string;
            /** @description The template. */
            templateId: string;
            /** @description What it is for. */
            taskType: components["schemas"]["TaskType"];
            /** @description The library that it comes from. */
            library: string;
            /** @description The class of its estimator. */
            algorithm: string;
            /** @description All parameters as they were used. */
            parameters: Record<string, never>;
            /** @description Scores on held out rows; of clustering, on all. */
            metrics: {
                [key: string]: number;
            };
            /** @description How the training ended. */
            status: components["schemas"]["ModelStatus"];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            /**
             * Format: int32
             * @description Running number in its project.
             */
            version: number;
            /**
             * Format: int64
             * @description How long the training took, milliseconds.
             */
            trainingMs?: number | null;
            /** @description The column that it predicts. */
            targetColumn?: string | null;
            /** @description The columns that it predicts from. */
            featureColumns?: string[];
            /**
             * Format: int64
             * @description Rows that it was made from, test rows included.
             */
            sampleCount?: number | null;
            artifact?: components["schemas"]["ArtifactView"] | null;
            /** @description All of its files. */
            artifacts: components["schemas"]["ArtifactView"][];
            /** @description Why the training failed. */
            error?: string | null;
            /** @description Where it comes from: seed, versions, split, decisions about columns, costs. */
            metadata: Record<string, never>;
            evaluationStatus?: components["schemas"]["EvaluationStatus"] | null;
            evaluationComputedAt?: components["schemas"]["Instant"] | null;
            /** @description Why its evaluation failed. */
            evaluationError?: string | null;
            /** @description `int`, `float` or `str` of each feature. */
            featureTypes: {
                [key: string]: string;
            };
            /** @description A row as a client would send it. */
            sampleRequest: Record<string, never>;
            holdout?: components["schemas"]["Holdout"] | null;
            /** @description Whether there are no scores of the server's, because it cannot predict from the dataset's columns as they are. */
            unscored: boolean;
        };
        /** @description A key that was just made. */
        NewApiKeyView: {
            /** @description What is kept of it. */
            key: components["schemas"]["ApiKeyView"];
            /** @description The key itself: it is shown here and never again. */
            rawKey: string;
        };
        /** @description The fields of a block's event. */
        NlBlockEvent: {
            /**
             * Format: uuid
             * @description The block.
             */
            blockId: string;
            /** @description The phase that it belongs to. */
            phaseId: components["schemas"]["NlPhase"];
            /** @description What it holds. */
            kind: components["schemas"]["NlBlockKind"];
            /** @description Its title. */
            title: string;
            /** @description When, ISO 8601. */
            timestamp: string;
            /** @description More of it: `provider`, `attempt`. */
            details?: Record<string, never> | null;
            /** @description Deltas only: more Markdown. */
            delta?: string | null;
            status?: components["schemas"]["NlBlockStatus"] | null;
        };
        /**
         * @description What a block of work holds.
         * @enum {string}
         */
        NlBlockKind: "thinking" | "plan" | "tool" | "sql" | "validation" | "repair" | "status";
        /**
         * @description How a block ended.
         * @enum {string}
         */
        NlBlockStatus: "completed" | "failed";
        /**
         * @description What the confidence comes from.
         * @enum {string}
         */
        NlConfidenceMode: "model" | "repair";
        /** @description `{nl}`. */
        NlEnvelope: {
            /** @description The answer. */
            nl: components["schemas"]["NlResult"];
        };
        /** @description An event on the way to an answer. `done` is always the last one. */
        NlEvent: (components["schemas"]["NlPhaseEvent"] & {
            /** @enum {string} */
            type: "phase_started";
        }) | (components["schemas"]["NlPhaseEvent"] & {
            /** @enum {string} */
            type: "phase_progress";
        }) | (components["schemas"]["NlPhaseEvent"] & {
            /** @enum {string} */
            type: "phase_completed";
        }) | (components["schemas"]["NlPhaseEvent"] & {
            /** @enum {string} */
            type: "phase_failed";
        }) | (components["schemas"]["NlBlockEvent"] & {
            /** @enum {string} */
            type: "model_work_block_started";
        }) | (components["schemas"]["NlBlockEvent"] & {
            /** @enum {string} */
            type: "model_work_delta";
        }) | (components["schemas"]["NlBlockEvent"] & {
            /** @enum {string} */
            type: "model_work_block_completed";
        }) | {
            /** @description The answer. */
            nl: components["schemas"]["NlResult"];
            /** @enum {string} */
            type: "result";
        } | {
            /** @enum {string} */
            type: "done";
        };
        /** @description What is said about a statement. */
        NlExplanation: {
            /** @description What the question was understood to ask. */
            intentSummary: string;
            /** @description The tables that the statement reads. */
            selectedTables: string[];
            /** @description The joins that it makes. */
            joinPlan: components["schemas"]["NlJoin"][];
            /** @description The conditions that were planned. */
            filters: string[];
            /** @description The aggregations that were planned. */
            aggregations: string[];
            /** @description What was taken for granted. */
            assumptions: string[];
            /** @description What was changed or noticed while checking. */
            validationNotes: string[];
            /**
             * Format: double
             * @description How sure the answer is, 0..1, three decimals: measured, see the documentation of the engine.
             */
            confidence: number;
            /** @description How far to look at it. */
            warningLevel: components["schemas"]["NlWarningLevel"];
            /** @description What the confidence comes from. */
            confidenceMode: components["schemas"]["NlConfidenceMode"];
            /** @description How reliable it is. */
            reliabilityTier: components["schemas"]["NlReliabilityTier"];
            /** @description What came of running it. */
            outcome: components["schemas"]["NlOutcome"];
        };
        /** @description A join that the statement makes. */
        NlJoin: {
            /** @description The left table. */
            leftTable: string;
            /** @description Its column. */
            leftColumn: string;
            /** @description The right table. */
            rightTable: string;
            /** @description Its column. */
            rightColumn: string;
            /** @description How they are joined. */
            joinType: components["schemas"]["NlJoinType"];
            /**
             * Format: double
             * @description How sure it is that the columns belong together, 0..1: from their names, and from how many values they share.
             */
            confidence: number;
            /** @description Why. */
            reason: string;
        };
        /**
         * @description How two tables are joined.
         * @enum {string}
         */
        NlJoinType: "inner" | "left" | "right" | "full";
        /**
         * @description What came of running the statement.
         * @enum {string}
         */
        NlOutcome: "rows" | "no_rows" | "no_such_value" | "failed" | "unsure";
        /**
         * @description A step of answering.
         * @enum {string}
         */
        NlPhase: "schema_context" | "planning" | "sql_generation" | "validation" | "initial_execution" | "repair" | "done";
        /** @description The fields of a phase's event. */
        NlPhaseEvent: {
            /** @description The phase. */
            phaseId: components["schemas"]["NlPhase"];
            /** @description What is going on, for people. */
            summary: string;
            /** @description When, ISO 8601. */
            timestamp: string;
            /** @description More of it. */
            details?: Record<string, never> | null;
        };
        /** @description Who answered. */
        NlProvider: {
            /** @description The kind of provider. */
            id: string;
            /** @description Its name for people. */
            label: string;
            /** @description The model. */
            model: string;
        };
        /**
         * @description How reliable an answer is.
         * @enum {string}
         */
        NlReliabilityTier: "high" | "medium" | "low";
        /** @description A question in plain words. */
        NlRequest: {
            /** @description The project whose datasets are asked about. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The question, from 3 characters. */
            query: string;
            /** @description The table that the person has open. */
            tableName?: string | null;
        };
        /** @description The answer to a question. */
        NlResult: {
            /** @description The statement, in canonical form. */
            sql: string;
            /** @description Why it answers the question. */
            rationale: string;
            /** @description Identity of the query. */
            queryId: components["schemas"]["QueryId"];
            /** @description Who answered. */
            provider: components["schemas"]["NlProvider"];
            /** @description What is said about it. */
            explanation: components["schemas"]["NlExplanation"];
            /** @description Whether the rows came from the cache. */
            cached: boolean;
            /**
             * @description The rows, as `POST /query/sql` gives them; null when the statement failed. Of a large result a job's log keeps the
             *     first rows only, as a `truncated` one, and `rowsLeftOut` in it tells how many it does not have.
             */
            query?: Record<string, never> | null;
            /** @description Why there are no rows. */
            queryExecutionError?: string | null;
        };
        /** @description A suggested question. */
        NlSuggestion: {
            /** @description Names it in its set. */
            id: string;
            /** @description The question. */
            prompt: string;
            /** @description A short form. */
            label: string;
            /** @description What kind of question it is. */
            category: string;
            /** @description The tables that it is about. */
            tables: string[];
            /** @description Why it is worth asking. */
            rationale: string;
        };
        /** @description Suggested questions. */
        NlSuggestionsView: {
            /** @description The questions. */
            suggestions: components["schemas"]["NlSuggestion"][];
            /** @description Whether they were made before. */
            cached: boolean;
            /** @description Hash of the tables and columns that they were made from; empty without tables. */
            schemaFingerprint: string;
            workflowPlaceholders?: components["schemas"]["WorkflowPlaceholders"] | null;
        };
        /**
         * @description How far an answer should be looked at before it is trusted.
         * @enum {string}
         */
        NlWarningLevel: "none" | "low" | "medium" | "high";
        /** @description A notebook to be made. */
        NotebookCreate: {
            /** @description Display name, 1 to 120 characters; by its number when absent. */
            name?: string | null;
            /** @description Whatever the client keeps with it, at most 64 KiB. */
            metadata?: Record<string, never> | null;
            kind?: components["schemas"]["NotebookKind"] | null;
        };
        /** @description What is left after a notebook was deleted. */
        NotebookDeletedView: {
            /** @description The one that is gone. */
            deletedNotebookId: components["schemas"]["NotebookId"];
            fallbackNotebookId?: components["schemas"]["NotebookId"] | null;
        };
        /** @description A Jupyter notebook file (nbformat 4.5). */
        NotebookFileView: Record<string, never>;
        /**
         * Format: uuid
         * @description A notebook.
         */
        NotebookId: string;
        /** @description A Jupyter notebook file (nbformat 3 or 4) to be read into a notebook. */
        NotebookImport: {
            /** @description Display name, 1 to 120 characters; by its number when absent. */
            name?: string | null;
            kind?: components["schemas"]["NotebookKind"] | null;
            /** @description The file's content. */
            notebook: Record<string, never>;
        };
        /**
         * @description What a notebook is for.
         * @enum {string}
         */
        NotebookKind: "phase" | "standalone";
        /** @description Changes to a notebook: absent fields keep their value; metadata keys are laid over the stored ones. */
        NotebookPatch: {
            /** @description Display name, 1 to 120 characters. */
            name?: string | null;
            /** @description Keys to lay over the stored metadata. */
            metadata?: Record<string, never> | null;
        };
        /** @description Whose work is to be restored. */
        NotebookRecover: {
            /** @description What the agents worked at. */
            phase: components["schemas"]["RecoveryPhase"];
        };
        /** @description What the server says. */
        NotebookSocketMessage: {
            /** @description Which. */
            notebook_id: components["schemas"]["NotebookId"];
            /**
             * Format: int64
             * @description Number of the last event that it does not get.
             */
            seq: number;
            /** @enum {string} */
            type: "subscribed";
        } | {
            /** @description Which. */
            notebook_id: components["schemas"]["NotebookId"];
            /** @enum {string} */
            type: "unsubscribed";
        } | {
            /** @enum {string} */
            type: "pong";
        } | {
            /** @description Why. */
            message: string;
            /** @enum {string} */
            type: "error";
        } | (components["schemas"]["EventStamp"] & {
            /** @description The cell. */
            cell: components["schemas"]["CellView"];
        } & {
            /** @enum {string} */
            type: "cell:created";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description The cell. */
            cell: components["schemas"]["CellView"];
        } & {
            /** @enum {string} */
            type: "cell:updated";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description The cell. */
            cell: components["schemas"]["CellView"];
        } & {
            /** @enum {string} */
            type: "cell:executed";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            cell_id: components["schemas"]["CellId"];
        } & {
            /** @enum {string} */
            type: "cell:deleted";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            cell_id: components["schemas"]["CellId"];
        } & {
            /** @enum {string} */
            type: "cell:executing";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            cell_id: components["schemas"]["CellId"];
        } & {
            /** @enum {string} */
            type: "cell:unlocked";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            cell_id: components["schemas"]["CellId"];
            /** @description Who. */
            locked_by: components["schemas"]["LockOwner"];
        } & {
            /** @enum {string} */
            type: "cell:locked";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            cell_id: components["schemas"]["CellId"];
            /** @description What. */
            output: components["schemas"]["RichOutput"];
        } & {
            /** @enum {string} */
            type: "cell:output";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description Which. */
            notebook_id: components["schemas"]["NotebookId"];
            /** @description All of its cells. */
            cells: components["schemas"]["CellView"][];
        } & {
            /** @enum {string} */
            type: "notebook:cells_reset";
        }) | (components["schemas"]["EventStamp"] & {
            /** @description The notebook that is watched. */
            notebook_id: components["schemas"]["NotebookId"];
        } & {
            /** @enum {string} */
            type: "kernel:stopped";
        });
        /** @description What a client says. Unknown types are ignored. */
        NotebookSocketRequest: {
            /** @description Which. */
            notebook_id: components["schemas"]["NotebookId"];
            /**
             * Format: int64
             * @description The `seq` of the last event that the client has: what came after it is sent first.
             */
            after?: number | null;
            /** @enum {string} */
            type: "subscribe";
        } | {
            /** @description Which. */
            notebook_id: components["schemas"]["NotebookId"];
            /** @enum {string} */
            type: "unsubscribe";
        } | {
            /** @enum {string} */
            type: "ping";
        };
        /** @description A notebook. */
        NotebookView: {
            /** @description Identity. */
            notebookId: components["schemas"]["NotebookId"];
            /** @description The project that it belongs to. */
            projectId: components["schemas"]["ProjectId"];
            /** @description Display name. */
            name: string;
            /** @description What it is for. */
            kind: components["schemas"]["NotebookKind"];
            /** @description Whatever clients keep with it. */
            metadata: Record<string, never>;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description Statistics of a numeric column. */
        NumericSummary: {
            /** @description The column. */
            column: string;
            /**
             * Format: double
             * @description Smallest value.
             */
            min: number;
            /**
             * Format: double
             * @description Largest value.
             */
            max: number;
            /**
             * Format: double
             * @description Arithmetic mean.
             */
            mean: number;
            /**
             * Format: double
             * @description Median.
             */
            median: number;
            /**
             * Format: double
             * @description Sample standard deviation (n − 1); 0 for one value.
             */
            stdDev: number;
            /**
             * Format: double
             * @description Mean of the cubed standard scores; 0 when the deviation is 0.
             */
            skewness: number;
            /**
             * Format: double
             * @description Lower quartile, linear interpolation.
             */
            q1: number;
            /**
             * Format: double
             * @description Upper quartile, linear interpolation.
             */
            q3: number;
            /**
             * Format: int64
             * @description Values outside q1 − 1.5·IQR … q3 + 1.5·IQR.
             */
            outlierCount: number;
        };
        /** @description `{ok}`. */
        OkView: {
            /** @description Always true: a failure is an error. */
            ok: boolean;
        };
        /**
         * @description How a request for predictions ended.
         * @enum {string}
         */
        Outcome: "Success" | "Error";
        /**
         * @description How an output is shown.
         * @enum {string}
         */
        OutputKind: "text" | "table" | "image" | "html" | "error" | "warning" | "chart";
        /** @description A stored file of an output. */
        OutputRef: {
            /** @description The kind of output that it holds. */
            type: components["schemas"]["OutputKind"];
            /** @description `outputs/<cellId>/<filename>`: below `/api/cells/<cellId>` the file is at `outputs/<filename>`. */
            ref: string;
            /** @description Its media type. */
            mimeType?: string | null;
            /**
             * Format: int64
             * @description Its size.
             */
            byteSize?: number | null;
        };
        /** @description An installed or installable package. */
        PackageInfo: {
            /** @description Its name on the package index. */
            name: string;
            /** @description Its version. */
            version?: string | null;
            /** @description What it is, in a line. */
            summary?: string | null;
            /** @description Where to read about it. */
            homepage?: string | null;
        };
        /** @description Packages to be installed. */
        PackageInstall: {
            /** @description A session of the project; all of the project's sessions and notebooks get the packages. */
            sessionId: string;
            /** @description Names with or without versions, divided by commas or spaces, at most 2000 characters. No options, URLs or paths. */
            packageName: string;
        };
        /** @description `{packages}`. */
        PackageList: {
            /** @description Packages that can be imported, by lower-cased name. */
            packages: components["schemas"]["PackageInfo"][];
        };
        /** @description A value of a `select`. */
        ParameterOptionView: {
            /** @description What is sent. */
            value: string;
            /** @description What people see. */
            label: string;
        };
        /** @description A parameter of a template. */
        ParameterView: {
            /** @description Its name in the library. */
            key: string;
            /** @description Its name for people. */
            label: string;
            /** @description `number`, `select` or `boolean`. */
            type: string;
            /** @description What it is when nothing is sent. */
            default: Record<string, never>;
            /**
             * Format: double
             * @description Smallest number.
             */
            min?: number | null;
            /**
             * Format: double
             * @description Largest number.
             */
            max?: number | null;
            /**
             * Format: double
             * @description Step of a slider.
             */
            step?: number | null;
            /** @description Whether only whole numbers are allowed. */
            integer: boolean;
            /** @description The values of a `select`. */
            options?: components["schemas"]["ParameterOptionView"][];
        };
        /** @description A personal access token to be made. */
        PersonalTokenCreate: {
            /** @description What it is for, 1 to 100 characters. */
            name: string;
            /** @description What it may do; the widest counts. `read` and `write` when absent. */
            scopes?: components["schemas"]["Scope"][] | null;
            /**
             * Format: int32
             * @description Days until it ends, 1 to 365; 90 when absent.
             */
            expiresInDays?: number | null;
        };
        /** @description A new token, with the secret that is shown only now. */
        PersonalTokenCreated: {
            /** @description What is stored of it. */
            token: components["schemas"]["PersonalTokenView"];
            /** @description The token itself: send it as `Authorization: Bearer`. It cannot be shown again. */
            secret: string;
        };
        /** @description `{tokens}`, newest first. */
        PersonalTokenList: {
            /** @description The caller's tokens. */
            tokens: components["schemas"]["PersonalTokenView"][];
        };
        /** @description A personal access token, without its secret. */
        PersonalTokenView: {
            /** @description Identity. */
            tokenId: components["schemas"]["TokenId"];
            /** @description What it is for. */
            name: string;
            /** @description Its first characters, to tell it apart. */
            prefix: string;
            /** @description What it may do. */
            scopes: components["schemas"]["Scope"][];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it ends. */
            expiresAt: components["schemas"]["Instant"];
            lastUsedAt?: components["schemas"]["Instant"] | null;
        };
        /**
         * @description A step of the main job as the frontend shows it. The server stores and normalises phases; it enforces no order.
         * @enum {string}
         */
        Phase: "upload" | "data-viewer" | "preprocessing" | "feature-engineering" | "training" | "experiments" | "deployment" | "notebook";
        /** @description The end of a plan chat. */
        PlanChatCompletion: {
            /** @description The plan that it led to, 1 to 200 characters. */
            completedPlanId: string;
            /** @description Its name, 1 to 200 characters. */
            name: string;
        };
        /** @description A plan chat to be made. */
        PlanChatCreate: {
            /** @description Its name, 1 to 200 characters without white space around it. */
            name: string;
        };
        /**
         * Format: uuid
         * @description A conversation about a project's plan.
         */
        PlanChatId: string;
        /** @description Changes to a plan chat: at least one; given fields are replaced whole. */
        PlanChatPatch: {
            /** @description All messages, at most 500. */
            messages?: unknown[] | null;
            /** @description All answers, at most 200. */
            answerHistory?: unknown[] | null;
            /**
             * Format: int32
             * @description The round of questions, from 0.
             */
            currentRound?: number | null;
            /** @description The name, 1 to 200 characters. */
            name?: string | null;
        };
        /**
         * @description Where a plan chat stands.
         * @enum {string}
         */
        PlanChatStatus: "in_progress" | "completed";
        /** @description A plan chat without what is said in it. */
        PlanChatSummary: {
            /** @description Identity. */
            chatId: components["schemas"]["PlanChatId"];
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description Whose it is. */
            userId: components["schemas"]["UserId"];
            /** @description Its name. */
            name: string;
            /** @description Where it stands. */
            status: components["schemas"]["PlanChatStatus"];
            /**
             * Format: int32
             * @description The round of questions that it is in, from 0.
             */
            currentRound: number;
            /** @description The plan that it led to. */
            completedPlanId?: string | null;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            /**
             * Format: int32
             * @description How many messages it has.
             */
            messageCount: number;
        };
        /** @description A plan chat. */
        PlanChatView: {
            /** @description Identity. */
            chatId: components["schemas"]["PlanChatId"];
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description Whose it is. */
            userId: components["schemas"]["UserId"];
            /** @description Its name. */
            name: string;
            /** @description Where it stands. */
            status: components["schemas"]["PlanChatStatus"];
            /** @description Messages, as the client stored them. */
            messages: unknown[];
            /** @description Answers, as the client stored them. */
            answerHistory: unknown[];
            /**
             * Format: int32
             * @description The round of questions that it is in, from 0.
             */
            currentRound: number;
            /** @description The plan that it led to. */
            completedPlanId?: string | null;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description A point of a scatter plot. */
        Point: {
            /**
             * Format: double
             * @description Value of the x column.
             */
            x: number;
            /**
             * Format: double
             * @description Value of the y column.
             */
            y: number;
        };
        /** @description One condition. */
        PredicateView: {
            /** @description A metric, or `algorithm`, `name`, `taskType`, `status`. */
            field: string;
            /** @description `gt`, `lt`, `eq`, `gte`, `lte` or `contains`. */
            operator: string;
            /** @description A number or a text. */
            value: Record<string, never>;
        };
        /**
         * Format: uuid
         * @description One answered request for predictions.
         */
        PredictionId: string;
        /** @description A page of logged requests. */
        PredictionLogList: {
            /** @description Newest first. */
            logs: components["schemas"]["PredictionLogView"][];
            /**
             * Format: int64
             * @description All that the filter lets through.
             */
            total: number;
        };
        /** @description A logged request. */
        PredictionLogView: {
            /**
             * Format: int64
             * @description Number.
             */
            id: number;
            /** @description The deployment. */
            deploymentId: components["schemas"]["DeploymentId"];
            /** @description Its model. */
            modelId: components["schemas"]["ModelId"];
            /** @description Its project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description What the answer called it. */
            predictionId: components["schemas"]["PredictionId"];
            /** @description When it came. */
            createdAt: components["schemas"]["Instant"];
            /**
             * Format: double
             * @description How long the answer took, milliseconds.
             */
            latencyMs?: number | null;
            /** @description What was sent: without columns that were computed from it. */
            inputFeatures: Record<string, never>;
            /** @description What was answered. */
            prediction: Record<string, never>;
            /** @description How it ended. */
            status: components["schemas"]["Outcome"];
            /** @description Why there is no prediction. */
            errorMessage?: string | null;
            feedback?: components["schemas"]["Feedback"] | null;
            feedbackAt?: components["schemas"]["Instant"] | null;
            /** @description What really happened. */
            actual?: Record<string, never>;
            /** @description Status code, who asked, what else is known. */
            metadata: Record<string, never>;
        };
        /** @description A recorded state of a dataset. */
        PrepCheckpointView: {
            /** @description Identity. */
            checkpointId: components["schemas"]["CheckpointId"];
            /** @description What it is called. */
            label: string;
            /** @description The dataset. */
            datasetId: components["schemas"]["DatasetId"];
            /** @description The steps that led to it, in order. */
            stepIds: components["schemas"]["StepId"][];
            /** @description When it was recorded. */
            createdAt: components["schemas"]["Instant"];
            /**
             * Format: int64
             * @description The last event that belongs to it.
             */
            replayUntilEventSequence: number;
        };
        /** @description A column of a table. */
        PrepColumn: {
            /** @description Its name. */
            name: string;
            /** @description Its type. */
            dtype: components["schemas"]["ColumnType"];
        };
        /** @description An entry of a preprocessing run's log. */
        PrepEventId: string;
        /**
         * @description What happened in a run.
         * @enum {string}
         */
        PrepEventKind: "ActiveDatasetSet" | "StepProposed" | "StepCodeMaterialized" | "StepExecuted" | "StepValidated" | "StepCommitted" | "StepDiverged" | "StepReconciled" | "RunInterrupted" | "CheckpointCreated" | "CheckpointRestored" | "ReplayCompatibilityChecked";
        /** @description An entry of a run's log. */
        PrepEventView: {
            /** @description Identity. */
            eventId: components["schemas"]["PrepEventId"];
            /** @description The run. */
            runId: components["schemas"]["PrepRunId"];
            /**
             * Format: int64
             * @description Its number in the run, from 1.
             */
            sequence: number;
            /** @description What happened. */
            type: components["schemas"]["PrepEventKind"];
            /** @description When. */
            createdAt: components["schemas"]["Instant"];
            stepId?: components["schemas"]["StepId"] | null;
            checkpointId?: components["schemas"]["CheckpointId"] | null;
            datasetId?: components["schemas"]["DatasetId"] | null;
            /** @description More about it. */
            payload?: Record<string, never> | null;
        };
        /** @description `{run}`. */
        PrepRunEnvelope: {
            /** @description The run. */
            run: components["schemas"]["PrepRunView"];
        };
        /** @description A preprocessing run. */
        PrepRunId: string;
        /** @description `{projectId, count, runs}`, the last changed first. */
        PrepRunList: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description How many runs the list has. */
            count: number;
            /** @description The runs. */
            runs: components["schemas"]["PrepRunSummary"][];
        };
        /** @description A preprocessing run in a list. */
        PrepRunSummary: {
            /** @description Identity. */
            runId: components["schemas"]["PrepRunId"];
            /** @description Its project. */
            projectId: components["schemas"]["ProjectId"];
            activeDatasetId?: components["schemas"]["DatasetId"] | null;
            /**
             * Format: int64
             * @description How many steps it has.
             */
            stepCount: number;
            /**
             * Format: int64
             * @description How many entries its log has.
             */
            eventCount: number;
            latestEventType?: components["schemas"]["PrepEventKind"] | null;
            latestEventAt?: components["schemas"]["Instant"] | null;
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
        };
        /** @description A preprocessing run. */
        PrepRunView: {
            /** @description Identity. */
            runId: components["schemas"]["PrepRunId"];
            /** @description Its project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description Always `hybrid`. */
            stateModel: string;
            activeDatasetId?: components["schemas"]["DatasetId"] | null;
            /** @description What it made, oldest first. */
            derivedDatasetIds: components["schemas"]["DatasetId"][];
            /** @description Its steps, oldest first. */
            steps: components["schemas"]["PrepStepView"][];
            /** @description Its checkpoints, oldest first. */
            checkpoints: components["schemas"]["PrepCheckpointView"][];
            /** @description Its log. */
            events: components["schemas"]["PrepEventView"][];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description A step of a preprocessing run. */
        PrepStepView: {
            /** @description Identity. */
            stepId: components["schemas"]["StepId"];
            /** @description What it does. */
            title: string;
            /** @description Why. */
            rationale?: string | null;
            /** @description The kind of change. */
            intentType: string;
            /** @description Where it stands. */
            status: components["schemas"]["StepStatus"];
            approvalDecision?: components["schemas"]["ApprovalDecision"] | null;
            /** @description Why it was rejected or given up. */
            decisionReason?: string | null;
            /** @description The call that proposed it or gave it its code. */
            toolCallId?: string | null;
            linkedFromStepId?: components["schemas"]["StepId"] | null;
            /** @description Exactly what is written to its cell. */
            code?: string | null;
            /** @description The first 24 hexadecimal digits of the SHA-256 of the code, and so of its cell's content. */
            codeHash?: string | null;
            /**
             * Format: int32
             * @description Grows with each new code.
             */
            version: number;
            /** @description The cells that it is bound to. */
            cellIds: components["schemas"]["CellId"][];
            /** @description Whether a person must approve of it. */
            requiresApproval: boolean;
            validation?: components["schemas"]["StepValidationView"] | null;
            /** @description Whether its present code ran to its end. */
            lastExecuteSucceeded: boolean;
            /** @description Whether what its present code made was measured and can be kept. */
            lastValidateSucceeded: boolean;
            datasetId?: components["schemas"]["DatasetId"] | null;
            derivedDatasetId?: components["schemas"]["DatasetId"] | null;
            /** @description When it was proposed. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description A dataset as a table that can be preprocessed. */
        PrepTable: {
            /** @description The dataset. */
            datasetId: components["schemas"]["DatasetId"];
            /** @description Its name in SQL. */
            name: string;
            /** @description Its display name. */
            filename: string;
            /**
             * Format: int64
             * @description Size of the original, bytes.
             */
            sizeBytes: number;
            /**
             * Format: int64
             * @description Rows.
             */
            nRows: number;
            /**
             * Format: int64
             * @description Columns.
             */
            nCols: number;
            /** @description Names and types of the columns, in order. */
            columns: components["schemas"]["PrepColumn"][];
            /** @description The first rows, at most 5. */
            previewRows: Record<string, never>[];
        };
        /** @description `{tables}`, oldest first. */
        PrepTableList: {
            /** @description The project's tables. */
            tables: components["schemas"]["PrepTable"][];
        };
        /** @description Changes to the account. */
        ProfilePatch: {
            /** @description Display name, 1 to 100 characters. */
            name?: string | null;
            /** @description New address. */
            email?: string | null;
            /** @description Needed to change the password. */
            currentPassword?: string | null;
            /** @description At least 8 characters, at most 1024 bytes. */
            newPassword?: string | null;
        };
        /** @description A project to be made. */
        ProjectCreate: {
            /** @description Display name, 1 to 200 characters. */
            name: string;
            /** @description Free text, at most 10,000 characters. */
            description?: string | null;
            /** @description Icon name; `Folder` when absent. */
            icon?: string | null;
            /** @description Colour name; `blue` when absent. */
            color?: string | null;
            /** @description Phase state and whatever the client keeps with the project. */
            metadata?: Record<string, never> | null;
        };
        /** @description `{project}`. */
        ProjectEnvelope: {
            /** @description The project. */
            project: components["schemas"]["ProjectView"];
        };
        /**
         * Format: uuid
         * @description A project: the unit of ownership and isolation.
         */
        ProjectId: string;
        /** @description `{projects}`, oldest first. */
        ProjectList: {
            /** @description The caller's projects. */
            projects: components["schemas"]["ProjectView"][];
        };
        /** @description Project metadata in normal form. Further keys are kept as sent. */
        ProjectMetadataView: {
            /** @description Phases that may be opened. */
            unlockedPhases: components["schemas"]["Phase"][];
            /** @description Phases that are done; a subset of the unlocked ones. */
            completedPhases: components["schemas"]["Phase"][];
            /** @description The phase shown last. */
            currentPhase: components["schemas"]["Phase"];
            /** @description Instructions for the agent, at most 5000 characters. */
            customInstructions: string;
        } & {
            [key: string]: unknown;
        };
        /** @description Changes to a project: absent fields keep their value; metadata keys are laid over the stored ones. */
        ProjectPatch: {
            /** @description Display name, 1 to 200 characters. */
            name?: string | null;
            /** @description Free text, at most 10,000 characters; may be empty. */
            description?: string | null;
            /** @description Icon name. */
            icon?: string | null;
            /** @description Colour name. */
            color?: string | null;
            /** @description Keys to lay over the stored metadata. */
            metadata?: Record<string, never> | null;
        };
        /** @description A project. */
        ProjectView: {
            /** @description Identity. */
            id: components["schemas"]["ProjectId"];
            /** @description Its one owner. */
            userId: components["schemas"]["UserId"];
            /** @description Display name. */
            name: string;
            /** @description Free text. */
            description?: string | null;
            /** @description Icon name. */
            icon: string;
            /** @description Colour name. */
            color: string;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            /**
             * @description Phase state (`unlockedPhases`, `completedPhases`, `currentPhase`), `customInstructions`, and any other key
             *     that clients keep here.
             */
            metadata: components["schemas"]["ProjectMetadataView"];
        };
        /** @description A cell beside the current one. */
        PythonCell: {
            /** @description Its id. */
            cellId: string;
            /** @description Its text. */
            content: string;
            /**
             * Format: double
             * @description Its place.
             */
            position: number;
        };
        /** @description A place in code. */
        PythonQuestion: {
            /** @description The text of the current cell. */
            code: string;
            /**
             * Format: int32
             * @description Line in it, from 1.
             */
            line: number;
            /**
             * Format: int32
             * @description Column, from 0.
             */
            column: number;
            /** @description The project whose packages and datasets are known. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The cells of the notebook, so that what they define is known. */
            cells?: components["schemas"]["PythonCell"][] | null;
            /** @description Which of them is the current one. */
            currentCellId?: string | null;
        };
        /**
         * @description A Python version that kernels can run on.
         * @enum {string}
         */
        PythonVersion: "3.10" | "3.11" | "3.12" | "3.13";
        /** @description The settings of SQL queries in force for everybody who did not change them. */
        QueryCacheConfig: {
            /**
             * Format: int64
             * @description Life of a cached result, milliseconds.
             */
            ttlMs: number;
            /**
             * Format: int64
             * @description Most results kept.
             */
            maxEntries: number;
            /**
             * Format: int32
             * @description `LIMIT` added to SQL that has none.
             */
            sqlDefaultLimit: number;
            /**
             * Format: int32
             * @description Most rows in a result.
             */
            sqlMaxRows: number;
        };
        /** @description A column of a result. */
        QueryColumn: {
            /** @description Its name. */
            name: string;
            /**
             * Format: int32
             * @description OID of the PostgreSQL type.
             */
            dataTypeID: number;
            /** @description Name of the PostgreSQL type. */
            dataType: string;
        };
        /** @description `{query}`. */
        QueryEnvelope: {
            /** @description The result. */
            query: components["schemas"]["QueryResultView"];
        };
        /**
         * Format: uuid
         * @description One SQL result.
         */
        QueryId: string;
        /** @description The rows of a query. */
        QueryResultView: {
            /** @description Identity; the same when the result comes from the cache. */
            queryId: components["schemas"]["QueryId"];
            /** @description The statement as it ran, with its limit. */
            sql: string;
            /** @description The columns. */
            columns: components["schemas"]["QueryColumn"][];
            /** @description The rows: column name to value. */
            rows: Record<string, never>[];
            /**
             * Format: int64
             * @description Number of `rows`.
             */
            rowCount: number;
            /** @description Whether there were more rows than may be returned. */
            truncated: boolean;
            /**
             * Format: int64
             * @description How long it ran, milliseconds.
             */
            executionMs: number;
            /** @description Whether it came from the cache. */
            cached: boolean;
            cacheTimestamp?: components["schemas"]["Instant"] | null;
            eda?: components["schemas"]["EdaSummary"] | null;
        };
        /** @description An answer to a question of a run. */
        QuestionAnswerCreate: {
            /** @description The question. */
            questionId: string;
            /** @description A text, or several. */
            answer: Record<string, never>;
        };
        /** @description A column that others are computed from. */
        RawColumn: {
            /** @description Its name in the dataset that was engineered. */
            name: string;
            /** @description Its type there. */
            dtype: components["schemas"]["ColumnType"];
            /** @description The columns of the model that need it. */
            computes: string[];
            /** @description Whether custom code made it, so that it is in no dataset that was uploaded. */
            byCode: boolean;
        };
        /** @description Whether a model is ready for use. */
        ReadinessView: {
            /** @description Whether cross-validation gives about the same score each time. */
            cvStable: boolean;
            /**
             * Format: double
             * @description Its mean.
             */
            cvScore?: number | null;
            /**
             * Format: double
             * @description Its standard deviation.
             */
            cvStd?: number | null;
            /** @description `low`, `medium` or `high`. */
            overfitRisk: string;
            /**
             * Format: double
             * @description How much better it is on the rows that it knows.
             */
            trainTestGap?: number | null;
            /** @description Whether importances are about the same each time. */
            featureImportanceStable: boolean;
            /**
             * Format: int64
             * @description Rows that it was made from.
             */
            sampleCount: number;
            /** @description Whether it was evaluated. */
            evaluationComplete: boolean;
        };
        /** @description What a browser opens a transcription with. */
        RealtimeSessionView: {
            /** @description The secret, for one session. */
            clientSecret: string;
            /**
             * Format: int64
             * @description Until when it may be used, in seconds since 1970; 0 when that is not known.
             */
            expiresAt: number;
        };
        /** @description A run whose notebook is gone and can be written again. */
        RecoveryCandidateView: {
            /** @description The run. */
            runId: string;
            /** @description The notebook that is gone. */
            sourceNotebookId: components["schemas"]["NotebookId"];
            /** @description How many cells it left. */
            cellCount: number;
            /** @description What it worked at. */
            phase: components["schemas"]["RecoveryPhase"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /**
         * @description What agents worked at in a notebook.
         * @enum {string}
         */
        RecoveryPhase: "preprocessing" | "feature-engineering" | "training";
        /** @description Whether a notebook was filled, or could be. */
        RecoveryView: {
            /** @description `recovered`, or `noop` when nothing was done. */
            status: string;
            /**
             * @description Why nothing is to be done: `target_notebook_missing`, `target_notebook_not_empty`, `no_recoverable_run` or
             *     `phase_mismatch` (the notebook is another phase's).
             */
            reason?: string | null;
            candidate?: components["schemas"]["RecoveryCandidateView"] | null;
            /** @description The new cells, in order. */
            restoredCellIds?: components["schemas"]["CellId"][] | null;
        };
        /** @description A refresh token to exchange. */
        Refresh: {
            /** @description The token. */
            refreshToken: string;
        };
        /** @description A new account. */
        Register: {
            /** @description Address; compared without regard to case. */
            email: string;
            /** @description At least 8 characters, at most 1024 bytes. */
            password: string;
            /** @description Display name, 1 to 100 characters. */
            name: string;
        };
        /** @description A least-squares line. */
        RegressionLine: {
            /**
             * Format: double
             * @description Slope.
             */
            slope: number;
            /**
             * Format: double
             * @description Value at x = 0.
             */
            intercept: number;
            /**
             * Format: double
             * @description Share of variance explained, 0..1; 1 when all y are equal.
             */
            r2: number;
        };
        /** @description A wish for another verification mail. */
        ResendVerification: {
            /** @description Replaces the account's address first. */
            email?: string | null;
        };
        /** @description A new password by one-time link. */
        ResetPassword: {
            /** @description The token of the link. */
            token: string;
            /** @description At least 8 characters, at most 1024 bytes. */
            password: string;
        };
        /** @description What a restore did. */
        RestoredView: {
            /** @description Cells that are as they were. */
            cellsRestored: number;
            /** @description Cells that are gone. */
            cellsDeleted: number;
            /** @description Cells that are back. */
            cellsCreated: number;
            /** @description All of them. */
            affectedCellIds: components["schemas"]["CellId"][];
        };
        /** @description One output of a run. */
        RichOutput: {
            /** @description How it is shown. */
            type: components["schemas"]["OutputKind"];
            /** @description Text, HTML, a data URL or a reference, as the kind says. */
            content: string;
            /** @description A figure or a table. */
            data?: unknown;
            /** @description The media type of a picture. */
            mimeType?: string | null;
        };
        /** @description A page of rows. */
        RowsPage: {
            /** @description The rows, in file order. */
            rows: Record<string, never>[];
            /** @description Column names, in file order. */
            columns: string[];
            /**
             * Format: int64
             * @description Rows of the dataset.
             */
            rowCount: number;
            /**
             * Format: int64
             * @description Rows that were skipped.
             */
            offset: number;
            /**
             * Format: int32
             * @description Rows that were asked for.
             */
            limit: number;
        };
        /** @description A run. */
        RunEnvelope: {
            /** @description The run. */
            run: Record<string, never>;
        };
        /** @description The image or environment of the sandboxes. */
        RuntimeImageCheck: {
            /** @description Result. */
            status: components["schemas"]["HealthStatus"];
            /** @description Always false. */
            critical: boolean;
            /** @description Whether a backend is configured. */
            enabled: boolean;
            /** @description Its name. */
            image: string;
            /** @description Whether it is there. */
            available: boolean;
            /** @description What is wrong, and how to mend it. */
            message?: string | null;
        };
        /** @description `{runtimes}`. */
        RuntimeList: {
            /** @description 3.10 and 3.11, and later versions that are ready. */
            runtimes: components["schemas"]["RuntimeView"][];
        };
        /** @description A Python that kernels can run on. */
        RuntimeView: {
            /** @description Its version. */
            pythonVersion: components["schemas"]["PythonVersion"];
            /** @description Whether it is ready. */
            available: boolean;
            /** @description Whether a sandbox backend is ready, of whichever kind: clients switch their runtime on from it. */
            dockerEnabled: boolean;
            /** @description The backend. */
            backend?: string | null;
        };
        /** @description The preview of a dataset. */
        SampleView: {
            /** @description The first rows, at most 20. */
            sample: Record<string, never>[];
            /** @description Column names, in file order. */
            columns: string[];
            /**
             * Format: int64
             * @description Rows of the dataset.
             */
            rowCount: number;
        };
        /**
         * @description How a study searches.
         * @enum {string}
         */
        SamplerKind: "tpe" | "random";
        /** @description A savepoint to be made. */
        SavepointCreate: {
            /**
             * Format: int32
             * @description The turn of the conversation, from 0.
             */
            turnIndex: number;
            /** @description The message of that turn, 1 to 200 characters. */
            turnMessageId: string;
        };
        /** @description What changed since a savepoint. */
        SavepointDiffView: {
            /** @description New cells. */
            cellsAdded: number;
            /** @description Cells with another text. */
            cellsModified: number;
            /** @description Cells that are gone. */
            cellsDeleted: number;
            /** @description Lines by which cells grew. */
            linesAdded: number;
            /** @description Lines by which cells shrank. */
            linesRemoved: number;
            /** @description Whether a person edited a changed cell last. */
            hasManualEdits: boolean;
            /** @description The changed cells. */
            details: components["schemas"]["CellDiffView"][];
        };
        /**
         * Format: uuid
         * @description A stored state of a notebook.
         */
        SavepointId: string;
        /** @description `{savepoints}`, by turn. */
        SavepointList: {
            /** @description The savepoints. */
            savepoints: components["schemas"]["SavepointView"][];
        };
        /** @description A stored state of a notebook. */
        SavepointView: {
            /** @description Identity. */
            savepointId: components["schemas"]["SavepointId"];
            /** @description The notebook. */
            notebookId: components["schemas"]["NotebookId"];
            /**
             * Format: int32
             * @description The turn of the conversation before which it was made.
             */
            turnIndex: number;
            /** @description The message of that turn. */
            turnMessageId: string;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
        };
        /** @description Which savepoints go. */
        SavepointsDelete: {
            /**
             * Format: int32
             * @description Those of turns after this one.
             */
            afterTurnIndex: number;
        };
        /** @description A scatter plot. */
        Scatter: {
            /** @description Column of x. */
            xColumn: string;
            /** @description Column of y. */
            yColumn: string;
            /** @description Points, evenly chosen. */
            points: components["schemas"]["Point"][];
        };
        /** @description A scatter plot with its regression line. */
        ScatterPair: {
            /** @description Column of x. */
            xColumn: string;
            /** @description Column of y. */
            yColumn: string;
            /** @description Points, evenly chosen. */
            points: components["schemas"]["Point"][];
            regressionLine?: components["schemas"]["RegressionLine"] | null;
        };
        /** @description A column of a table. */
        SchemaColumn: {
            /** @description Its name. */
            column: string;
            /** @description Its type. */
            dtype: string;
        };
        /**
         * @description What a personal access token may do. A login session may do everything its user may.
         * @enum {string}
         */
        Scope: "read" | "write" | "account";
        /** @description `{results}`. */
        SearchResultList: {
            /** @description The results, best first. */
            results: components["schemas"]["SearchResultView"][];
        };
        /** @description A piece of a document that was found: enough to cite it. */
        SearchResultView: {
            /** @description The piece. */
            chunkId: components["schemas"]["ChunkId"];
            /** @description The document. */
            documentId: components["schemas"]["DocumentId"];
            /** @description Its display name. */
            filename: string;
            /**
             * Format: double
             * @description From 0 to 1, four decimals; 1 is first by words and by vectors.
             */
            score: number;
            /** @description The beginning of the piece, at most 220 characters, then `…` when it goes on. */
            snippet: string;
            /** @description Where the piece is in the document's normalised text. */
            span: components["schemas"]["TextSpan"];
            /**
             * Format: int32
             * @description The page it is on, of a format that has pages.
             */
            page?: number | null;
            /** @description The headings above it, joined by ` › `. */
            heading?: string | null;
            /**
             * Format: double
             * @description Its score by words, if words found it; comparable within one answer only.
             */
            lexicalScore?: number | null;
            /**
             * Format: double
             * @description Its cosine to the question, if vectors found it.
             */
            vectorScore?: number | null;
        };
        /** @description An engineered column that cannot be computed. */
        SentColumn: {
            /** @description Its name. */
            name: string;
            /** @description Why, for people. */
            reason: string;
        };
        /** @description How rows may be sent to a model some of whose columns were made by feature engineering. */
        ServedColumns: {
            /** @description Columns that a row may have in place of those that are computed. */
            rawColumns: components["schemas"]["RawColumn"][];
            /** @description Columns of the model that are computed where a row lacks them, in the order of the model's columns. */
            computedColumns: components["schemas"]["ComputedColumn"][];
            /** @description Engineered columns of the model that cannot be computed: every row must have them. */
            mustBeSent: components["schemas"]["SentColumn"][];
        };
        /** @description `GET /v2/health/live`. */
        ServerLiveView: {
            /** @description Always true: it answered. */
            live: boolean;
        };
        /** @description `GET /v2`. */
        ServerMetadataView: {
            /** @description `gristmill`. */
            name: string;
            /** @description Of the server. */
            version: string;
            /** @description What it can beyond the protocol. */
            extensions: string[];
        };
        /** @description `GET /v2/health/ready`. */
        ServerReadyView: {
            /** @description True; else the answer is an error. */
            ready: boolean;
        };
        /**
         * @description What runs a deployed model.
         * @enum {string}
         */
        ServingRuntime: "Native" | "Container";
        /** @description What a deployment takes and gives. */
        ServingSchemaView: {
            /** @description The columns that the model takes, in order. A row must have those that are not computed (`engineered`). */
            featureColumns: string[];
            /** @description `int`, `float` or `str` of each. */
            featureTypes: {
                [key: string]: string;
            };
            /** @description A row as a client would send it. */
            sampleRequest: Record<string, never>;
            /** @description What the model is for. */
            taskType: components["schemas"]["TaskType"];
            /** @description What it predicts. */
            targetColumn?: string | null;
            /** @description Most important first. */
            featureImportance: components["schemas"]["FeatureImportanceView"][];
            /** @description The classes. */
            classLabels?: string[] | null;
            /** @description Scores on held out rows. */
            metrics: {
                [key: string]: number;
            };
            /** @description Ranges and quartiles of numeric columns. */
            featureRanges: Record<string, never>;
            /** @description Values of categorical columns, most frequent first. */
            categoricalValues: {
                [key: string]: string[];
            };
            /** @description How often what was predicted in training. */
            predictionDistribution: Record<string, never>;
            /** @description Whether it is ready for use. */
            readiness: components["schemas"]["ReadinessView"];
            engineered?: components["schemas"]["ServedColumns"] | null;
        };
        /** @description A session to be made. */
        SessionCreate: {
            /** @description The project whose datasets and packages it sees. */
            projectId: components["schemas"]["ProjectId"];
            pythonVersion?: components["schemas"]["PythonVersion"] | null;
        };
        /** @description `{success, session}`. */
        SessionCreatedView: {
            /** @description Always true. */
            success: boolean;
            /** @description The session. */
            session: components["schemas"]["ExecutionSessionView"];
        };
        /** @description `{session}`. */
        SessionEnvelope: {
            /** @description The session. */
            session: components["schemas"]["ExecutionSessionView"];
        };
        /** @description The settings that are in force for one user: overrides over the server's defaults. */
        Settings: {
            /**
             * Format: int64
             * @description Life of a cached SQL result in milliseconds; 0 turns the cache off.
             */
            queryCacheTtlMs: number;
            /**
             * Format: int64
             * @description Most rows in a SQL result.
             */
            sqlMaxRows: number;
            /**
             * Format: int64
             * @description `LIMIT` added to SQL that has none.
             */
            sqlDefaultLimit: number;
            /**
             * Format: int64
             * @description Longest run of code, milliseconds.
             */
            executionTimeoutMs: number;
            /**
             * Format: int64
             * @description Memory of a code sandbox, MB.
             */
            executionMaxMemoryMb: number;
        };
        /** @description `{settings}`. */
        SettingsEnvelope: {
            /** @description The settings in force for the caller. */
            settings: components["schemas"]["Settings"];
        };
        /** @description Changes to settings. All are checked first; nothing is stored when one is wrong. */
        SettingsPatch: {
            /** @description Setting to number, or to text that is a number. */
            settings: Record<string, never>;
        };
        /** @description `{signatures}`. */
        SignatureList: {
            /** @description One for each overload. */
            signatures: components["schemas"]["SignatureView"][];
        };
        /** @description How a function is called. */
        SignatureView: {
            /** @description The function. */
            name: string;
            /** @description Its documentation, at most 500 characters. */
            docstring: string;
            /** @description Its parameters. */
            params: components["schemas"]["ParameterView"][];
            /**
             * Format: int32
             * @description The parameter that the cursor is at.
             */
            activeParam: number;
        };
        /** @description A run with all that belongs to it. */
        SnapshotEnvelope: {
            /** @description The run. */
            run: components["schemas"]["SnapshotView"];
        };
        /** @description A run with all that belongs to it. */
        SnapshotView: {
            /** @description The run. */
            run: Record<string, never>;
            turnJobId?: components["schemas"]["JobId"] | null;
            /** @description Its events, oldest first. */
            events: components["schemas"]["WorkflowEventView"][];
            /** @description Its artifacts, oldest first. */
            artifacts: components["schemas"]["WorkflowArtifactView"][];
            /** @description Its approvals, oldest first. */
            approvals: components["schemas"]["WorkflowApprovalView"][];
            /** @description What it handed to other phases. */
            handoffs: Record<string, never>[];
            /** @description The cells that it is bound to. */
            notebookBindings: Record<string, never>[];
        };
        /** @description How rows are divided for the test. */
        SplitCreate: {
            kind?: components["schemas"]["SplitKind"] | null;
            /** @description The column of groups or times; required for these two kinds. */
            column?: string | null;
        };
        /**
         * @description How rows are chosen for the test.
         * @enum {string}
         */
        SplitKind: "Random" | "Stratified" | "Group" | "Time";
        /** @description `{splits}`, by target. */
        SplitList: {
            /** @description The declared splits of a dataset. */
            splits: components["schemas"]["SplitView"][];
        };
        /** @description How the rows of a dataset are divided for a target. */
        SplitView: {
            /** @description The column to predict. */
            target: string;
            /** @description How rows are chosen. */
            kind: components["schemas"]["SplitKind"];
            /** @description The column of groups or times. */
            column?: string | null;
            /**
             * Format: double
             * @description Share of the rows that is held out.
             */
            testSize: number;
            /**
             * Format: int32
             * @description What chooses the rows.
             */
            seed: number;
            /** @description When it was declared. */
            declaredAt: components["schemas"]["Instant"];
            declaredBy?: components["schemas"]["UserId"] | null;
        };
        /** @description A SQL query over a project's datasets. */
        SqlRequest: {
            /** @description The project whose datasets are the tables. */
            projectId: components["schemas"]["ProjectId"];
            /** @description One read-only statement. */
            sql: string;
        };
        /** @description A person's yes or no to a step. */
        StepDecision: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description The preprocessing run. */
            runId: string;
            /** @description The step. */
            stepId: string;
            /** @description Yes or no. */
            approved: boolean;
            /** @description Why not. */
            rejectionReason?: string | null;
            /** @description The hash of the code that the person has seen; a step that has other code by now is left alone. Additive. */
            codeHash?: string | null;
            /** @description The dataset that is worked on; must be the project's. */
            datasetId?: string | null;
        };
        /** @description What became of a decision. A step that cannot be applied is told here, too: `error` is there and `output.isError` true. */
        StepDecisionView: {
            /** @description `approve-…` or `reject-…`. */
            id: string;
            /** @description Always `commit_transformation_step`. */
            tool: components["schemas"]["ToolName"];
            /** @description What the tool gave. */
            output: Record<string, never>;
            /** @description Why it failed. */
            error?: string | null;
        };
        /** @description A step of a preprocessing run. */
        StepId: string;
        /**
         * @description Where a step stands.
         * @enum {string}
         */
        StepStatus: "Pending" | "Running" | "AwaitingApproval" | "Applied" | "Failed" | "Diverged";
        /** @description What was measured of a step. */
        StepValidationView: {
            /**
             * Format: int64
             * @description Rows that the step read.
             */
            rowCountBefore: number;
            /**
             * Format: int64
             * @description Rows that it wrote.
             */
            rowCountAfter: number;
            /**
             * Format: int64
             * @description Missing values in what it read.
             */
            nullCountBefore: number;
            /**
             * Format: int64
             * @description Missing values in what it wrote.
             */
            nullCountAfter: number;
            /** @description Whether columns came, went or changed their type. */
            schemaDrift: boolean;
            /** @description What changed, a sentence each. */
            changes: string[];
            /** @description What the agent remarked. */
            notes?: string | null;
        };
        /** @description A study to be run. */
        StudyCreate: {
            /** @description The model whose parameters it starts from. */
            modelId: components["schemas"]["ModelId"];
            /**
             * Format: int32
             * @description Trials, 1 to 200.
             */
            nTrials: number;
            /** @description What is made better. */
            metric: string;
            /**
             * Format: double
             * @description Longest search, 1 to 3600 seconds; 600 when absent.
             */
            timeoutSeconds?: number | null;
            sampler?: components["schemas"]["SamplerKind"] | null;
        };
        /**
         * @description A line of a study's stream: `trial_result`, `convergence_update`, `importance_update`, and at the end `done`
         *     (`resultModelId`) or `error` (`message`).
         */
        StudyLine: {
            /** @description What it tells. */
            type: string;
        } & {
            [key: string]: unknown;
        };
        /** @description `{success}`. */
        SuccessView: {
            /** @description Always true: a failure is an error. */
            success: boolean;
        };
        /** @description One line of a suggestion on its way. */
        SuggestionLine: {
            /** @description Which. */
            cellId: components["schemas"]["CellId"];
            /** @enum {string} */
            type: "cell_created";
        } | {
            /** @description The code. */
            content: string;
            /** @enum {string} */
            type: "token";
        } | {
            /** @enum {string} */
            type: "done";
        } | {
            /** @description Why. */
            message: string;
            /** @enum {string} */
            type: "error";
        };
        /** @description `{suggestions}`. */
        SuggestionList: {
            /** @description Packages, the likeliest first. */
            suggestions: components["schemas"]["PackageInfo"][];
        };
        /**
         * @description What a model is for.
         * @enum {string}
         */
        TaskType: "Classification" | "Regression" | "Clustering";
        /** @description `{templates}`. */
        TemplateList: {
            /** @description Every template. */
            templates: components["schemas"]["TemplateView"][];
        };
        /** @description Something that can be trained. */
        TemplateView: {
            /** @description Identity. */
            id: string;
            /** @description Its name for people. */
            name: string;
            /** @description What its models are for. */
            taskType: components["schemas"]["TaskType"];
            /** @description What it is, in a sentence. */
            description: string;
            /** @description The library that it comes from. */
            library: string;
            /** @description The module of its class. */
            importPath: string;
            /** @description Its class. */
            modelClass: string;
            /** @description What can be set. */
            parameters: components["schemas"]["ParameterView"][];
            /** @description All that is set when nothing is sent. */
            defaultParams: Record<string, never>;
            /** @description The metrics that are shown first. */
            metrics: string[];
            /** @description Whether its parameters can be searched for. */
            tunable: boolean;
        };
        /** @description A place in a text, both numbers from 1. */
        TextPosition: {
            /**
             * Format: int64
             * @description Line.
             */
            line: number;
            /**
             * Format: int64
             * @description Column, in characters.
             */
            column: number;
        };
        /** @description Where a piece of text is: Unicode characters (code points) of the document's normalised text, `end` not included. */
        TextSpan: {
            /**
             * Format: int32
             * @description The first character.
             */
            start: number;
            /**
             * Format: int32
             * @description Behind the last character.
             */
            end: number;
        };
        /**
         * Format: uuid
         * @description A stored token of any kind (refresh, personal access, one-time).
         */
        TokenId: string;
        /** @description A fresh pair of tokens. */
        TokenPairView: {
            /** @description JWT to send as `Authorization: Bearer`. */
            accessToken: string;
            /** @description Single-use token for the next pair. */
            refreshToken: string;
        };
        /** @description `{tools}`. */
        ToolList: {
            /** @description The tools, by what they are for. */
            tools: components["schemas"]["ToolView"][];
        };
        /**
         * @description The tools of agents: a closed set, because the client refuses events with other names.
         * @enum {string}
         */
        ToolName: "ListProjectFiles" | "GetDatasetProfile" | "GetDatasetSample" | "SearchDocuments" | "ListCells" | "ReadCell" | "WriteCell" | "EditCell" | "RunCell" | "DeleteCell" | "ReorderCells" | "InsertCell" | "InstallPackage" | "UninstallPackage" | "ListPackages" | "AskUser" | "PlanExit" | "ListProjectDatasets" | "SetActiveDataset" | "ProfileActiveDataset" | "CheckpointDataset" | "RegisterDerivedDataset" | "ListCheckpoints" | "RestoreCheckpoint" | "ProposeTransformationStep" | "MaterializeStepCode" | "ExecuteTransformationStep" | "ValidateStepResult" | "CommitTransformationStep" | "DetectStepDivergence" | "ReconcileDivergedStep" | "ProposeFeature" | "MaterializeFeatureCode" | "ExecuteFeature" | "ValidateFeature" | "RegisterFeature" | "CheckpointFeaturePipeline" | "ConfigureExperiment" | "ProposeTrainingPlan" | "ExecuteTraining" | "EvaluateResults" | "RegisterModel" | "CompareModels";
        /** @description Something that a language model may call. */
        ToolView: {
            /** @description Its name. */
            name: string;
            /** @description What it does and when to use it. */
            description: string;
            /** @description JSON Schema of its arguments (draft 7), an object. */
            parameters: Record<string, never>;
        };
        /** @description A frequent value of a column. */
        TopValue: {
            /** @description The value as text. */
            value: string;
            /**
             * Format: int64
             * @description How many rows have it.
             */
            count: number;
            /**
             * Format: double
             * @description Share of the non-missing values, 0..100, two decimals.
             */
            percentage: number;
        };
        /** @description What a training ended in. */
        TrainingView: {
            /** @description The model, or the record of its failure. */
            model: components["schemas"]["ModelView"];
            /** @description Whether there is a model. */
            success: boolean;
            /** @description What happened, for people. */
            message: string;
        };
        /** @description A turn of a workflow. */
        TurnCreate: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            /** @description What to work at. */
            phase: components["schemas"]["WorkflowPhase"];
            /** @description What the person says. */
            prompt?: string | null;
            /** @description The run to go on with; one that does not exist is made. Letters, digits and `. _ : -`. */
            runId?: string | null;
            /** @description The conversation of a new run. */
            threadId?: string | null;
            datasetId?: components["schemas"]["DatasetId"] | null;
            notebookId?: components["schemas"]["NotebookId"] | null;
            /** @description The column to predict. */
            targetColumn?: string | null;
            /** @description What the client says of the features. */
            featureSummary?: string | null;
            /** @description How much the model should think: `minimal`, `low`, `medium`, `high` or `xhigh`. */
            reasoningEffort?: string | null;
            /** @description A model of the catalog; absent, `auto` or an unknown one: the default. */
            model?: string | null;
            /** @description What the project is for (onboarding). */
            userIntent?: string | null;
            /** @description All answers so far (onboarding). */
            questionAnswers?: components["schemas"]["QuestionAnswerCreate"][];
            /**
             * Format: int32
             * @description The round of questions (onboarding).
             */
            round?: number;
        };
        /** @description `{dataset, warning?}` of an upload. */
        UploadEnvelope: {
            /** @description The dataset. */
            dataset: components["schemas"]["UploadedDatasetView"];
            /** @description The same text as in the dataset. */
            warning?: string | null;
        };
        /** @description A dataset as an upload or a type change answers it. */
        UploadedDatasetView: {
            /** @description Identity. */
            datasetId: components["schemas"]["DatasetId"];
            projectId?: components["schemas"]["ProjectId"] | null;
            /** @description Display name. */
            filename: string;
            /** @description Format of the original. */
            fileType: components["schemas"]["FileType"];
            /**
             * Format: int64
             * @description Size of the original, bytes.
             */
            size: number;
            /**
             * Format: int64
             * @description Rows.
             */
            n_rows: number;
            /**
             * Format: int64
             * @description Columns.
             */
            n_cols: number;
            /** @description Column names, in file order. */
            columns: string[];
            /** @description Column name to type. */
            dtypes: {
                [key: string]: components["schemas"]["ColumnType"];
            };
            /** @description Column name to number of missing values. */
            null_counts: {
                [key: string]: number;
            };
            /** @description The first rows, at most 20. */
            sample: Record<string, never>[];
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updatedAt: components["schemas"]["Instant"];
            /** @description Name to use in SQL. */
            tableName: string;
            /** @description Name that is unique in the system. */
            physicalTableName: string;
            eda?: components["schemas"]["EdaSummary"] | null;
            /** @description A remark that the user should see. */
            warning?: string | null;
            /** @description Whether SQL can read it. */
            queryable: boolean;
            /** @description What happened while the file was read. */
            ingest: components["schemas"]["IngestReport"];
        };
        /** @description `{document}`. */
        UploadedDocumentEnvelope: {
            /** @description The document. */
            document: components["schemas"]["UploadedDocumentView"];
        };
        /** @description A document as its upload answers. */
        UploadedDocumentView: {
            /** @description Identity. */
            documentId: components["schemas"]["DocumentId"];
            projectId?: components["schemas"]["ProjectId"] | null;
            /** @description Display name. */
            filename: string;
            /** @description Media type of the download, by content. */
            mimeType: string;
            /**
             * Format: int32
             * @description Pieces that search can find and cite.
             */
            chunkCount: number;
            /**
             * Format: int32
             * @description Numbers of a chunk's vector; 0 when it has none, and search finds it by words.
             */
            embeddingDimension: number;
            /** @description Why text is missing, for a person. */
            parseWarning?: string | null;
            /** @description What its content is. */
            type: components["schemas"]["DocumentFormat"];
            /**
             * Format: int32
             * @description Pages, of a format that has them.
             */
            pageCount?: number | null;
        };
        /** @description `{user}`. */
        UserEnvelope: {
            /** @description The user. */
            user: components["schemas"]["UserView"];
        };
        /**
         * Format: uuid
         * @description A user account.
         */
        UserId: string;
        /**
         * @description A user's role. `admin` is given only by `gristmill admin`, never through the API.
         * @enum {string}
         */
        UserRole: "user" | "admin";
        /** @description A user, in the contract's `snake_case`. Never holds a password hash: every field is named here. */
        UserView: {
            /** @description Identity. */
            user_id: components["schemas"]["UserId"];
            /** @description Lower-case address. */
            email: string;
            /** @description Display name. */
            name: string;
            /** @description Role. */
            role: components["schemas"]["UserRole"];
            /** @description Whether the address was proved. */
            email_verified: boolean;
            /** @description When the account was made. */
            created_at: components["schemas"]["Instant"];
            /** @description When it last changed. */
            updated_at: components["schemas"]["Instant"];
            last_login_at: components["schemas"]["Instant"] | null;
        };
        /** @description Whether the account is verified. */
        VerificationStatusView: {
            /** @description Read from the store, never cached. */
            emailVerified: boolean;
        };
        /** @description A verification link. */
        VerifyEmail: {
            /** @description The token of the link. */
            token: string;
        };
        /** @description A question for approval. */
        WorkflowApprovalView: {
            /**
             * Format: uuid
             * @description Identity.
             */
            approvalId: string;
            /** @description The run. */
            runId: string;
            /** @description The tool that is approved of. */
            approvalType: string;
            /** @description `pending`, `approved` or `rejected`. */
            status: string;
            /** @description Hash of exactly what is approved of. */
            subjectHash: string;
            /** @description When it was asked. */
            requestedAt: components["schemas"]["Instant"];
            resolvedAt?: components["schemas"]["Instant"] | null;
            resolvedBy?: components["schemas"]["UserId"] | null;
            /** @description What was shown of it. */
            payload: Record<string, never>;
        };
        /** @description Something that a run made. */
        WorkflowArtifactView: {
            /**
             * Format: uuid
             * @description Identity.
             */
            artifactId: string;
            /** @description The run. */
            runId: string;
            /** @description `ui`, `plan` or `summary`. */
            artifactType: string;
            /** @description Its name. */
            label?: string | null;
            /** @description What is in it. */
            payload: Record<string, never>;
            /** @description When it was made. */
            createdAt: components["schemas"]["Instant"];
            /** @description When it changed last. */
            updatedAt: components["schemas"]["Instant"];
        };
        /** @description An event of a run. */
        WorkflowEventView: {
            /** @description Identity: the run and the place. */
            eventId: string;
            /** @description The run. */
            runId: string;
            /**
             * Format: int64
             * @description Its place, from 1.
             */
            sequence: number;
            /** @description Its type. */
            eventType: string;
            /** @description Its fields. */
            payload: Record<string, never>;
            /** @description When. */
            createdAt: components["schemas"]["Instant"];
        };
        /** @description A list of runs. */
        WorkflowList: {
            /** @description The project. */
            projectId: components["schemas"]["ProjectId"];
            phase?: components["schemas"]["WorkflowPhase"] | null;
            /** @description The runs, the last changed first. */
            runs: Record<string, never>[];
        };
        /**
         * @description What a run works at.
         * @enum {string}
         */
        WorkflowPhase: "Onboarding" | "Preprocessing" | "FeatureEngineering" | "Training";
        /** @description What the composers of the phases show while they are empty. */
        WorkflowPlaceholders: {
            /** @description For preprocessing. */
            preprocessing: string[];
            /** @description For feature engineering. */
            featureEngineering: string[];
            /** @description For training. */
            training: string[];
            /** @description Statements that can be run as they are. */
            explore?: string[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    root: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A greeting */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_mcp_metadata: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The protected resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_account: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AccountDelete"];
            };
        };
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    forgot_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForgotPassword"];
            };
        };
        responses: {
            /** @description Always */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    start_google: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The address */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GoogleStart"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    finish_google: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GoogleCallback"];
            };
        };
        responses: {
            /** @description The account with its tokens */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuthView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    link_google: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GoogleCallback"];
            };
        };
        responses: {
            /** @description It is linked */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    return_from_google: {
        parameters: {
            query?: {
                /** @description Google's code. */
                code?: string;
                /** @description The state that the browser left with. */
                state?: string;
                /** @description Why there is no code, such as `access_denied`. */
                error?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To the frontend, with `code` or `error` */
            302: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    redirect_to_google: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To Google; to the frontend, with `error`, when that cannot be now */
            302: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_identities: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The identities */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IdentityList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    unlink_identity: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The provider: `google`. */
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is unlinked */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            /** @description The account with its tokens */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuthView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["Logout"] | null;
            };
        };
        responses: {
            /** @description Logged out */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_profile: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProfilePatch"];
            };
        };
        responses: {
            /** @description The account as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    refresh: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Refresh"];
            };
        };
        responses: {
            /** @description The next pair */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenPairView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Register"];
            };
        };
        responses: {
            /** @description The account, logged in */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuthView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    resend_verification: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResendVerification"];
            };
        };
        responses: {
            /** @description It is on its way */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    reset_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResetPassword"];
            };
        };
        responses: {
            /** @description The password is set */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    revoke_all_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They are ended */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: never;
            header?: {
                /** @description The session's refresh token */
                "x-refresh-token"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoginSessionList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    revoke_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session or token. */
                tokenId: components["schemas"]["TokenId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is ended */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tokens */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PersonalTokenList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PersonalTokenCreate"];
            };
        };
        responses: {
            /** @description The token with its secret */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PersonalTokenCreated"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    revoke_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session or token. */
                tokenId: components["schemas"]["TokenId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is revoked */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_verification_status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Whether it is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerificationStatusView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    verify_email: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerifyEmail"];
            };
        };
        responses: {
            /** @description The address is verified */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The cell */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellPatch"];
            };
        };
        responses: {
            /** @description The cell as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    interrupt_cell_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellRun"];
            };
        };
        responses: {
            /** @description It was asked to stop */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_cell_lock: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellLockView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_cell_output: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: string;
                /** @description The file's name, as an output or its reference has it. It carries the server's signature. */
                filename: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": unknown;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The cell. */
                cellId: components["schemas"]["CellId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellRun"];
            };
        };
        responses: {
            /** @description The result */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellRunView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_datasets: {
        parameters: {
            query?: {
                /** @description Only this project's; all of the caller's when absent. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The datasets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    migrate_datasets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every dataset is in order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description Agents work on it: `activeWorkflows` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DatasetPatch"];
            };
        };
        responses: {
            /** @description The dataset as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_dataset_column: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
                /** @description The column's name, percent-encoded. */
                columnName: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ColumnTypePatch"];
            };
        };
        responses: {
            /** @description The dataset as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_dataset_rejects: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The report */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_dataset_rows: {
        parameters: {
            query?: {
                /** @description Rows to skip; 0 when absent. */
                offset?: number;
                /** @description Rows to return, 1 to 1000; 200 when absent. */
                limit?: number;
            };
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RowsPage"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_dataset_sample: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The preview */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SampleView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_dataset_splits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset. */
                datasetId: components["schemas"]["DatasetId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The declared splits */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SplitList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_deployments: {
        parameters: {
            query: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployments */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeploymentList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_deployment: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeploymentCreate"];
            };
        };
        responses: {
            /** @description It serves */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeploymentEnvelope"];
                };
            };
            /** @description The job that starts it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    invoke: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        /** @description Rows in one of MLflow's forms */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `predictions`, in the order of the rows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Rows do not fit; each field with the reason */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    ping: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does; nothing is said */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description It does not, and why */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    predict_row: {
        parameters: {
            query?: {
                /** @description With SHAP values. */
                explain?: boolean;
            };
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        /** @description Features, or what they are made from, by their names; null is a missing value */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The prediction, in both spellings of the contract */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description The row does not fit; each field with the reason */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    predict_rows: {
        parameters: {
            query?: {
                /** @description With SHAP values. */
                explain?: boolean;
            };
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        /** @description A list of objects of features */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description A list of predictions, in the order of the rows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Rows do not fit; each field with the reason */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_deployment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployment */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeploymentEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_deployment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_deployment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeploymentPatch"];
            };
        };
        responses: {
            /** @description The deployment */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeploymentEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    tell_actuals: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ActualsCreate"];
            };
        };
        responses: {
            /** @description How many were stored, and which are unknown */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActualsView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_api_keys: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The keys */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ApiKeyCreate"];
            };
        };
        responses: {
            /** @description The key */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewApiKeyView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
                /** @description The key. */
                keyId: components["schemas"]["ApiKeyId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is revoked */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_container_logs: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The lines */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerLogsView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_drift: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The report, or why there is none */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_prediction_logs: {
        parameters: {
            query?: {
                /** @description Only those that ended so. */
                status?: components["schemas"]["Outcome"];
                /** @description Not before. */
                startTime?: string;
                /** @description Not after. */
                endTime?: string;
                /** @description At most so many; 50 when absent. */
                limit?: number;
                /** @description How many are passed over. */
                offset?: number;
            };
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them, and how many there are */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PredictionLogList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    give_feedback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
                /** @description The number of the logged request. */
                logId: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FeedbackCreate"];
            };
        };
        responses: {
            /** @description It is stored */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OkView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_partial_dependence: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DependenceCreate"];
            };
        };
        responses: {
            /** @description Values and mean predictions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_deployment_schema: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its features, ranges, classes and readiness */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServingSchemaView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_deployment_stats: {
        parameters: {
            query?: {
                /** @description `1h`, `6h`, `24h` (when absent) or `7d`. */
                range?: string;
            };
            header?: never;
            path: {
                /** @description The deployment. */
                id: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Hours, oldest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    docs_page: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description HTML */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_documents: {
        parameters: {
            query: {
                /** @description Words or a question. Quotes, `or` and `-` work as in web search engines. */
                q: string;
                /** @description Only in this project; in all of the caller's documents when absent. */
                projectId?: components["schemas"]["ProjectId"];
                /** @description Most results: 1 to 20, 5 when absent or no number. */
                k?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was found */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SearchResultList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_documents: {
        parameters: {
            query?: {
                /** @description Only this project's; all of the caller's when absent. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The documents */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DocumentList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_document: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The document. */
                documentId: components["schemas"]["DocumentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_document: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The document. */
                documentId: components["schemas"]["DocumentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    execute_code: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExecuteCode"];
            };
        };
        responses: {
            /** @description The result */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecuteView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_execute_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How it stands */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecuteHealthView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    install_packages: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PackageInstall"];
            };
        };
        responses: {
            /** @description How it went */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InstallView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream_package_install: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PackageInstall"];
            };
        };
        responses: {
            /** @description One object a line; `done` is the last */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["InstallLine"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    suggest_packages: {
        parameters: {
            query?: {
                /** @description What was typed; popular packages when absent or empty. */
                q?: string;
                /** @description How many, 1 to 20; 8 when absent. A number beyond is brought into the range. */
                limit?: number;
                /** @description The project whose installed packages count too; without it, those that every project has. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The likeliest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuggestionList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_packages: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                sessionId: components["schemas"]["ExecutionSessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The packages */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PackageList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_runtimes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The versions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RuntimeList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_execution_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionCreate"];
            };
        };
        responses: {
            /** @description The session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionCreatedView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_execution_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["ExecutionSessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_execution_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["ExecutionSessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_error_analysis: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                modelId: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The analysis, or `{available: false, reason}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_evaluation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                modelId: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The evaluation, in the contract's snake_case */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It is not there yet, or failed */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EvaluationPendingView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    retry_evaluation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                modelId: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Where the evaluation stands now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EvaluationRetriedView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_shap: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                modelId: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Values, base values and data, in the contract's snake_case */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description There are none */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    compare_models: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ComparisonCreate"];
            };
        };
        responses: {
            /** @description The comparison */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ComparisonView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream_insight: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InsightCreate"];
            };
        };
        responses: {
            /** @description `token` lines, then `done` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["StudyLine"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    filter_models: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FilterCreate"];
            };
        };
        responses: {
            /** @description The conditions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FilterView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    tune_model: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
            };
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StudyCreate"];
            };
        };
        responses: {
            /** @description The trials, one JSON object a line */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["StudyLine"];
                };
            };
            /** @description The job that searches */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    apply_features: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FeatureApply"];
            };
        };
        responses: {
            /** @description The new dataset */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FeatureApplyView"];
                };
            };
            /** @description The job that makes it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_feature_runs: {
        parameters: {
            query: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description At most this many, 1 to 100; all when absent. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FeatureRunList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_feature_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run: `feat-` and a UUID. */
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FeatureRunEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It works; `degraded` when something that is not critical is missing */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthView"];
                };
            };
            /** @description It does not work */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_jobs: {
        parameters: {
            query?: {
                /** @description Only this project's. */
                projectId?: components["schemas"]["ProjectId"];
                /** @description At most this many, 1 to 200; all when absent. */
                limit?: number;
                /** @description `nextCursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The jobs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job. */
                id: components["schemas"]["JobId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    cancel_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job. */
                id: components["schemas"]["JobId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream_job_events: {
        parameters: {
            query?: {
                /** @description Only events with a larger `seq`; 0 (the default) for all. `Last-Event-ID` means the same. */
                after?: number;
            };
            header?: {
                /** @description Like `after`, as browsers send it */
                "Last-Event-ID"?: number | null;
            };
            path: {
                /** @description The job. */
                id: components["schemas"]["JobId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events, one JSON object a line, or as server-sent events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["JobEventView"];
                    "text/event-stream": components["schemas"]["JobEventView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_llm_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The models */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelCatalogView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_llm_tools: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tools */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ToolList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    follow_mcp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Never */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    call_mcp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description One JSON-RPC message */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description Messages as server-sent events, the last of them the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A notification was taken */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    end_mcp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Never */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_artifacts: {
        parameters: {
            query: {
                /** @description `<project>/<run>/artifacts/<directory>` */
                path: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{files}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_run_artifact: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `<project>/<run>/artifacts/<file>` */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    upload_run_artifact: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `<project>/<run>/artifacts/<file>` */
                path: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_run_artifact: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `<project>/<run>/artifacts/<file or directory>` */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_run_artifacts: {
        parameters: {
            query: {
                /** @description The run */
                run_id: string;
                /** @description A directory below the run's */
                path?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{root_uri, files}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_experiment: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{experiment_id}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_experiment: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_experiment_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_experiment: {
        parameters: {
            query: {
                /** @description The project's id */
                experiment_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{experiment}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_experiment_by_name: {
        parameters: {
            query: {
                /** @description The project's name */
                experiment_name: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{experiment}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    restore_experiment: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_experiments: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{experiments, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_experiment_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rename_experiment: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_logged_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_logged_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{models, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_logged_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_logged_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    finalize_logged_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_logged_model_artifacts: {
        parameters: {
            query?: {
                /** @description A directory below the model's */
                artifact_directory_path?: string;
            };
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{root_uri, files}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_logged_model_params: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_logged_model_tags: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_logged_model_tag: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The logged model */
                model_id: string;
                /** @description The tag's key */
                tag_key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_metric_history: {
        parameters: {
            query: {
                /** @description The run */
                run_id: string;
                /** @description The metric */
                metric_key: string;
                /** @description At most this many; 25000 when absent */
                max_results?: number;
                /** @description `next_page_token` of the page before */
                page_token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{metrics, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_model_version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_model_version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_model_version_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_model_version: {
        parameters: {
            query: {
                /** @description The name */
                name: string;
                /** @description The version */
                version: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_model_version_download: {
        parameters: {
            query: {
                /** @description The name */
                name: string;
                /** @description The version */
                version: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{artifact_uri}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_model_versions: {
        parameters: {
            query?: {
                /** @description MLflow's filter over `name`, `run_id`, `source_path`, `version_number` and tags */
                filter?: string;
                /** @description `name`, `version_number`, `creation_timestamp` or `last_updated_timestamp`, and a direction */
                order_by?: string[];
                /** @description At most this many; 1000 when absent */
                max_results?: number;
                /** @description `next_page_token` of the page before */
                page_token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{model_versions, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_model_version_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    transition_model_version_stage: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_model_version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_model_version_by_alias: {
        parameters: {
            query: {
                /** @description The name */
                name: string;
                /** @description The version's other name */
                alias: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{model_version}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_registered_model_alias: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_registered_model_alias: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_registered_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{registered_model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_registered_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_registered_model_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_registered_model: {
        parameters: {
            query: {
                /** @description The name */
                name: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{registered_model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_latest_versions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{model_versions}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rename_registered_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{registered_model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_registered_models: {
        parameters: {
            query?: {
                /** @description MLflow's filter over `name` and tags */
                filter?: string;
                /** @description `name`, `creation_timestamp` or `last_updated_timestamp`, and a direction */
                order_by?: string[];
                /** @description At most this many; 100 when absent */
                max_results?: number;
                /** @description `next_page_token` of the page before */
                page_token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{registered_models, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_registered_model_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_registered_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{registered_model}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{run}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_run_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_run: {
        parameters: {
            query: {
                /** @description The run */
                run_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `{run}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_inputs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_metric: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_parameter: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    log_outputs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    restore_run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    search_runs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{runs, next_page_token}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    set_run_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `{run_info}` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_models: {
        parameters: {
            query?: {
                /** @description Only this project's. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The models */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    seed_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Never */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    seed_model: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Never */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_templates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every template */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplateList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    train_model: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ModelCreate"];
            };
        };
        responses: {
            /** @description The model, or the record of its failure */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrainingView"];
                };
            };
            /** @description The job that trains it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                id: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The model */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The model. */
                id: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    download_model_artifact: {
        parameters: {
            query?: {
                /** @description `joblib` when absent. */
                format?: "joblib" | "onnx" | "mlflow" | "card" | "markdown" | "signature" | "baseline" | "report" | "parity";
            };
            header?: never;
            path: {
                /** @description The model. */
                id: components["schemas"]["ModelId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NotebookPatch"];
            };
        };
        responses: {
            /** @description The notebook as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_cells: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The cells */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellSummary"][];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellCreate"];
            };
        };
        responses: {
            /** @description The new cell */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CellView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    suggest_cell: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellSuggest"];
            };
        };
        responses: {
            /** @description `cell_created`, `token`s, then `done` or `error` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["SuggestionLine"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    export_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookFileView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    recover_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NotebookRecover"];
            };
        };
        responses: {
            /** @description What was done, or why nothing */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecoveryView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_recovery_candidate: {
        parameters: {
            query: {
                /** @description What the agents worked at. */
                phase: components["schemas"]["RecoveryPhase"];
            };
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run, or why there is none */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecoveryView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    reorder_cells: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CellReorder"];
            };
        };
        responses: {
            /** @description They are in that order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_savepoints: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The savepoints */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SavepointList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_savepoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SavepointCreate"];
            };
        };
        responses: {
            /** @description The savepoint */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SavepointView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_savepoints: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SavepointsDelete"];
            };
        };
        responses: {
            /** @description They are gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    diff_savepoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
                /** @description The savepoint. */
                savepointId: components["schemas"]["SavepointId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SavepointDiffView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    restore_savepoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
                /** @description The savepoint. */
                savepointId: components["schemas"]["SavepointId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RestoredView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    openapi_document: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_preprocessing_compatibility: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CompatibilityCheck"];
            };
        };
        responses: {
            /** @description Whether they fit */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompatibilityView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_preprocessing_runs: {
        parameters: {
            query: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description Most runs, 1 to 100; all when absent. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrepRunList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_preprocessing_run: {
        parameters: {
            query?: {
                /** @description The project; any of the caller's when absent. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path: {
                /** @description The run: `prep-` and a UUID. */
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrepRunEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    decide_preprocessing_step: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StepDecision"];
            };
        };
        responses: {
            /** @description What became of it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StepDecisionView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_preprocessing_tables: {
        parameters: {
            query?: {
                /** @description The project; all of the caller's datasets when absent. */
                projectId?: components["schemas"]["ProjectId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tables */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrepTableList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_projects: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The projects */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_project: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProjectCreate"];
            };
        };
        responses: {
            /** @description The new project */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    reset_projects: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Never */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_project: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                id: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The project */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_project: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                id: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_project: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                id: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProjectPatch"];
            };
        };
        responses: {
            /** @description The project as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_golden_questions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The questions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GoldenQuestionList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_golden_question: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GoldenQuestionCreate"];
            };
        };
        responses: {
            /** @description The question */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GoldenQuestionEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_golden_questions: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
            };
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How they went */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GoldenReport"];
                };
            };
            /** @description The job that asks them */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_golden_question: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description The question. */
                goldenQuestionId: components["schemas"]["GoldenQuestionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_golden_question: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description The question. */
                goldenQuestionId: components["schemas"]["GoldenQuestionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GoldenQuestionPatch"];
            };
        };
        responses: {
            /** @description The question */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GoldenQuestionEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    restart_kernel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A new kernel is ready */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuccessView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_notebooks: {
        parameters: {
            query?: {
                /** @description Only those of this kind. */
                kind?: components["schemas"]["NotebookKind"];
            };
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The notebooks */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookView"][];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NotebookCreate"];
            };
        };
        responses: {
            /** @description The new notebook */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    import_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NotebookImport"];
            };
        };
        responses: {
            /** @description The new notebook */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_notebook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description The notebook. */
                notebookId: components["schemas"]["NotebookId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotebookDeletedView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_plan_chats: {
        parameters: {
            query?: {
                /** @description `in_progress` or `completed`; anything else lists all. */
                status?: string;
            };
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The chats, without what is said in them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanChatSummary"][];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_plan_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlanChatCreate"];
            };
        };
        responses: {
            /** @description The chat */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanChatView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_plan_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
                /** @description The chat. */
                chatId: components["schemas"]["PlanChatId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The chat */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanChatView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    delete_plan_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
                /** @description The chat. */
                chatId: components["schemas"]["PlanChatId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    complete_plan_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
                /** @description The chat. */
                chatId: components["schemas"]["PlanChatId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlanChatCompletion"];
            };
        };
        responses: {
            /** @description The chat */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanChatView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_plan_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The project. */
                projectId: string;
                /** @description The chat. */
                chatId: components["schemas"]["PlanChatId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlanChatPatch"];
            };
        };
        responses: {
            /** @description The chat */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanChatView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_completions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PythonQuestion"];
            };
        };
        responses: {
            /** @description The likeliest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompletionList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_diagnostics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PythonQuestion"];
            };
        };
        responses: {
            /** @description In the order of lines */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiagnosticList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_hover: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PythonQuestion"];
            };
        };
        responses: {
            /** @description Null where nothing is known */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HoverEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_signatures: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PythonQuestion"];
            };
        };
        responses: {
            /** @description One for each overload */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignatureList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_cache_config: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The settings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QueryCacheConfig"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    ask_nl: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NlRequest"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NlEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream_nl: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NlRequest"];
            };
        };
        responses: {
            /** @description The steps, one JSON object a line; a blank line keeps it alive */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["NlEvent"];
                };
            };
            /** @description The job that answers */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_nl_suggestions: {
        parameters: {
            query: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description At most this many, 1 to 12; 8 when absent. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The suggestions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NlSuggestionsView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_sql: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SqlRequest"];
            };
        };
        responses: {
            /** @description The rows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QueryEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    create_realtime_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The secret for the session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RealtimeSessionView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The settings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingsEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    update_settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SettingsPatch"];
            };
        };
        responses: {
            /** @description The settings as they are now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingsEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    upload_dataset: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["DatasetUpload"];
            };
        };
        responses: {
            /** @description The dataset */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadEnvelope"];
                };
            };
            /** @description The job that reads it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    upload_document: {
        parameters: {
            query?: never;
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["DocumentUpload"];
            };
        };
        responses: {
            /** @description The document */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadedDocumentEnvelope"];
                };
            };
            /** @description The job that reads it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_workflows: {
        parameters: {
            query: {
                /** @description The project. */
                projectId: components["schemas"]["ProjectId"];
                /** @description Only runs of this phase. */
                phase?: components["schemas"]["WorkflowPhase"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowList"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream_workflow_turn: {
        parameters: {
            query?: {
                /** @description `extended`: with events that older clients do not know, such as `tool_started`. */
                events?: string;
            };
            header?: {
                /** @description `respond-async` to get the job at once */
                Prefer?: string | null;
                /** @description Makes the call repeatable: the same turn is told again */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TurnCreate"];
            };
        };
        responses: {
            /** @description The steps, one JSON object a line; a blank line keeps it alive */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            /** @description The job that works on it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobEnvelope"];
                };
            };
            /** @description Another turn of the phase runs: `activeRunId` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_workflow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    fork_workflow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForkCreate"];
            };
        };
        responses: {
            /** @description The new run */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunEnvelope"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    interrupt_workflow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InterruptCreate"];
            };
        };
        responses: {
            /** @description The run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InterruptView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_inference_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Name and extensions */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerMetadataView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_inference_live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerLiveView"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_inference_ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It can */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerReadyView"];
                };
            };
            /** @description The database does not answer */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_inference_model: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Versions, inputs and outputs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    infer: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
                /** @description Bytes of JSON before the binary data */
                "Inference-Header-Content-Length"?: number | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        /** @description `inputs`, and what more the protocol has */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `outputs`: the prediction, probabilities or an interval, and ids */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Rows do not fit; each field with the reason */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_inference_model: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelReadyView"];
                };
            };
            /** @description It does not, and why */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    find_inference_version: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
                /** @description The version of its model. */
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Versions, inputs and outputs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    infer_version: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
                /** @description Bytes of JSON before the binary data */
                "Inference-Header-Content-Length"?: number | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
                /** @description The version of its model. */
                version: string;
            };
            cookie?: never;
        };
        /** @description `inputs`, and what more the protocol has */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description `outputs` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    check_inference_version: {
        parameters: {
            query?: never;
            header?: {
                /** @description A key of the deployment */
                "x-api-key"?: string | null;
            };
            path: {
                /** @description The deployment. */
                deploymentId: components["schemas"]["DeploymentId"];
                /** @description The version of its model. */
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelReadyView"];
                };
            };
            /** @description It does not, and why */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
}
