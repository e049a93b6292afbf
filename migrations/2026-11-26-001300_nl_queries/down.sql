drop table golden_questions;
drop table nl_placeholder_suggestions;
